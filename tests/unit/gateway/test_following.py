"""`consumer.gateway.following`: what a stream sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.gateway import following
from consumer.gateway.access.principal import Principal, Scope
from consumer.gateway.board.board import Board
from consumer.gateway.board.position import parse_position
from consumer.gateway.broadcast import WAITING, Broadcast, Message
from consumer.gateway.following import Follower
from consumer.jobs import Record
from schemas import names
from tests.support.board import SOURCE, TOPICS, Topics, board_of, decision, pictures, save

READER = Principal("desk", SOURCE, frozenset({Scope.READ}))
BOUND = 30.0


@dataclass
class Stream:
    """Reads a stream event by event, and remembers the last event id as a browser does."""

    chunks: AsyncIterator[bytes]
    last_id: str = ""
    waiting: list[tuple[str, Any]] = field(default_factory=list)
    comments: int = 0

    async def next(self) -> tuple[str, Any] | None:
        """Return the next event's name and data; None at the end."""
        async with asyncio.timeout(BOUND):
            while not self.waiting:
                chunk = await anext(self.chunks, None)
                if chunk is None:
                    return None
                self.take(chunk)
        return self.waiting.pop(0)

    async def open(self) -> None:
        """Read the opening."""
        async with asyncio.timeout(BOUND):
            self.take(await anext(self.chunks))

    def take(self, chunk: bytes) -> None:
        """Take a piece, which has whole events."""
        for block in chunk.decode().removesuffix("\n\n").split("\n\n"):
            lines = [line.partition(": ")[::2] for line in block.split("\n")]
            values = dict(lines)
            self.comments += "" in values
            self.last_id = values.get("id", self.last_id)
            if "data" in values:
                self.waiting.append((values["event"], json.loads(values["data"])))


@dataclass
class Desk:
    """A board that is followed, and what is published to it."""

    board: Board = field(default_factory=lambda: board_of([]))
    broadcast: Broadcast = field(default_factory=Broadcast)
    topics: Topics = field(default_factory=Topics)
    allowed: bool = True

    def follower(self, principal: Principal = READER) -> Follower:
        """Return a follower."""

        async def is_allowed() -> bool:
            return self.allowed

        return Follower(self.board, self.broadcast, principal, is_allowed)

    def stream(self, after: str | None = None, principal: Principal = READER) -> Stream:
        """Return a stream of all articles, after an event id."""
        return Stream(self.follower(principal).articles(parse_position(after) if after else None))

    def image_stream(self, request_id: str) -> Stream:
        """Return a stream of one request."""
        (image,) = self.board.images(request_id)
        article = self.board.article(image.article)
        assert article is not None
        return Stream(self.follower().image(image, article))

    def read(self, *records: Record) -> None:
        """Read records as the feed does."""
        for record in records:
            change = self.board.take(record)
            if change is not None:
                self.broadcast.send(change, self.board.position.encode())


def ready(desk: Desk, request_id: str, article: str = "a-1") -> Record:
    return desk.topics.announce("ready", request_id, article, ordinal=1, pictures=pictures("p-1"))


async def test_a_stream_begins_with_where_it_stands() -> None:
    """Before anything happens a client knows an event id: cut off then, it misses nothing."""
    desk = Desk()
    desk.read(desk.topics.ask("r-1", save()))
    stream = desk.stream()
    await stream.open()
    await stream.open()
    assert (stream.waiting, stream.last_id) == ([], "r0-1")
    desk.read(ready(desk, "r-1"))
    event = await stream.next()
    assert event is not None
    assert (event[0], event[1]["id"], event[1]["state"], stream.last_id) == ("image", "r-1", "ready", "o0-1_r0-1")


async def test_it_goes_on_after_an_event_id() -> None:
    """What changed since comes first, each request as it stands now; the last has the id to go on from."""
    desk = Desk()
    desk.read(desk.topics.ask("r-1", save("a-1")), desk.topics.ask("r-2", save("a-2")))
    position = desk.board.position.encode()
    desk.read(desk.topics.ask("r-3", save("a-3")), ready(desk, "r-1"))
    stream = desk.stream(after=position)
    events = [await stream.next(), await stream.next()]
    assert [(event[1]["id"], event[1]["state"]) for event in events if event] == [("r-3", "queued"), ("r-1", "ready")]
    assert stream.last_id == ""
    await stream.open()
    assert stream.last_id == desk.board.position.encode()


async def test_a_withdrawal_that_was_missed_comes_for_each_slot() -> None:
    """One event for each of its outcomes, so that no slot goes on showing what is deleted."""
    desk = Desk()
    asked = [desk.topics.ask(f"r-{slot}", save(slot=slot)) for slot in ("hero", "teaser")]
    desk.read(*asked)
    position = desk.board.position.encode()
    desk.read(desk.topics.ask("w-1", decision(slot=None), type=names.ARTICLE_WITHDRAWN))
    desk.read(*(desk.topics.announce("withdrawn", "w-1", slot=slot, ordinal=2) for slot in ("hero", "teaser")))
    stream = desk.stream(after=position)
    events = [await stream.next(), await stream.next()]
    assert [event[1]["outcome"]["slot"] for event in events if event] == ["hero", "teaser"]


async def test_a_client_that_was_away_for_too_long_is_told_to_load_anew() -> None:
    """The position is older than what is kept: a `reset` with the position from which to go on."""
    desk = Desk(board=Board(4 * 1000, TOPICS))
    desk.read(desk.topics.ask("r-0", save("a-0")))
    position = desk.board.position.encode()
    desk.read(*(desk.topics.ask(f"r-{number}", save(f"a-{number}")) for number in range(1, 40)))
    stream = desk.stream(after=position)
    assert await stream.next() == ("reset", {"position": "r0-40"})
    assert stream.last_id == "r0-40"
    desk.read(ready(desk, "r-39", "a-39"))
    event = await stream.next()
    assert event is not None
    assert event[1]["id"] == "r-39"


async def test_a_client_that_is_ahead_is_waited_for() -> None:
    """Another gateway had read more: this one reads on, and no reset is needed."""
    desk = Desk()
    desk.read(desk.topics.ask("r-1", save()))
    stream = desk.stream(after="o0-1_r0-1")
    opening = asyncio.create_task(stream.open())
    await asyncio.sleep(0)
    desk.read(ready(desk, "r-1"))
    await opening
    await stream.open()
    assert (stream.waiting, stream.last_id) == ([], "o0-1_r0-1")


async def test_a_position_of_other_topics_is_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The topics were made anew, so that their offsets are smaller: a client that waited would hear nothing."""
    monkeypatch.setattr(following, "CAUGHT_UP_SECONDS", 0.0)
    desk = Desk()
    desk.read(desk.topics.ask("r-1", save()))
    stream = desk.stream(after="o0-999_r0-999")
    assert await stream.next() == ("reset", {"position": "r0-1"})


async def test_nobody_hears_of_articles_that_are_not_theirs() -> None:
    """Neither what was missed nor what comes, of another source or of ids that the key may not name."""
    desk = Desk()
    other = Principal("other", "/cms/other", frozenset({Scope.READ}))
    narrow = Principal("narrow", SOURCE, frozenset({Scope.READ}), ("b-*",))
    desk.read(desk.topics.ask("r-1", save("a-1")))
    streams = [desk.stream(after="r0-0", principal=principal) for principal in (other, narrow)]
    for stream in streams:
        await stream.open()
        await stream.open()
    desk.read(ready(desk, "r-1"), desk.topics.ask("r-2", save("b-1")))
    theirs = await streams[1].next()
    assert theirs is not None
    assert theirs[1]["id"] == "r-2"
    desk.broadcast.end()
    assert await streams[0].next() is None


async def test_a_silent_stream_says_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment keeps the connection open, and its id moves on with what others' articles did."""
    monkeypatch.setattr(following, "SILENCE_SECONDS", 0.01)
    desk = Desk()
    stream = desk.stream(principal=Principal("other", "/cms/other", frozenset({Scope.READ})))
    await stream.open()
    await stream.open()
    desk.read(desk.topics.ask("r-1", save()))
    await stream.open()
    assert (stream.comments, stream.last_id) == (2, "r0-1")


async def test_a_slow_reader_is_cut_and_misses_nothing() -> None:
    """With more waiting than the queue takes the stream ends; after its last id the rest comes."""
    desk = Desk()
    stream = desk.stream()
    await stream.open()
    await stream.open()
    asked = [desk.topics.ask(f"r-{number}", save(f"a-{number}")) for number in range(WAITING + 200)]
    desk.read(*asked)
    got = set()
    while event := await stream.next():
        got.add(event[1]["id"])
    assert len(got) == WAITING
    again = desk.stream(after=stream.last_id)
    for _ in range(200):
        event = await again.next()
        assert event is not None
        got.add(event[1]["id"])
    assert got == {f"r-{number}" for number in range(WAITING + 200)}


async def test_a_stream_ends_when_its_caller_no_longer_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A revoked key hears no more than until the next check."""
    monkeypatch.setattr(following, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(following, "SILENCE_SECONDS", 0.01)
    desk = Desk()
    stream = desk.stream()
    await stream.open()
    desk.allowed = False
    assert await stream.next() is None
    assert desk.broadcast.listeners == 0


async def test_a_requests_stream_ends_after_its_last_outcome() -> None:
    """State now, progress, a held outcome, and the final one; nothing of other requests."""
    desk = Desk()
    desk.read(desk.topics.ask("r-1", save()))
    stream = desk.image_stream("r-1")
    assert (await stream.next() or ("", {}))[1]["state"] == "queued"
    desk.read(desk.topics.ask("r-2", save(revision=2)))
    desk.read(desk.topics.announce("held", "r-1", rule="drafts"))
    desk.read(desk.topics.announce("progress", "r-1", stage="step", step=1, of=8, index=0))
    desk.read(ready(desk, "r-1"))
    events = []
    while event := await stream.next():
        events.append((event[0], event[1]["id"], event[1]["state"]))
    assert events == [("image", "r-1", "held"), ("progress", "r-1", "painting"), ("image", "r-1", "ready")]
    assert stream.last_id == desk.board.position.encode()


async def test_the_stream_of_a_request_that_is_over_says_so_and_ends() -> None:
    """Who comes late gets the outcome."""
    desk = Desk()
    desk.read(desk.topics.ask("r-1", save()), ready(desk, "r-1"))
    stream = desk.image_stream("r-1")
    event = await stream.next()
    assert event is not None
    assert event[1]["outcome"]["request_id"] == "r-1"
    assert await stream.next() is None


async def test_a_requests_stream_has_nothing_of_another_article_with_its_id() -> None:
    """Two sources may use one event id: the other's outcome neither shows nor ends this stream."""
    desk = Desk()
    desk.read(desk.topics.ask("r-1", save("a-1")))
    stream = desk.image_stream("r-1")
    await stream.next()
    desk.read(desk.topics.ask("r-1", save("a-2"), source="/cms/other"), ready(desk, "r-1", "a-2"))
    desk.read(ready(desk, "r-1", "a-1"))
    event = await stream.next()
    assert event is not None
    assert event[1]["article"]["id"] == "a-1"
    assert await stream.next() is None


@given(st.lists(st.tuples(st.sampled_from(["ask", "answer", "progress"]), st.integers(0, 5)), max_size=30), st.data())
def test_whoever_reconnects_anywhere_knows_what_the_board_knows(
    steps: list[tuple[str, int]], data: st.DataObject
) -> None:
    """Cut off at any time and going on after the last id, at this gateway or another, a client misses no outcome."""
    asyncio.run(_reconnect(steps, data))


async def _reconnect(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    desk = Desk()
    known: dict[str, str] = {}
    stream = desk.stream()
    await stream.open()
    for step, number in steps:
        match step:
            case "ask":
                desk.read(desk.topics.ask(f"r-{number}", save(f"a-{number % 2}")))
            case "answer":
                late = (
                    []
                    if desk.board.images(f"r-{number}")
                    else [desk.topics.ask(f"r-{number}", save(f"a-{number % 2}"))]
                )
                desk.read(ready(desk, f"r-{number}", f"a-{number % 2}"), *late)  # the topics are read in any order
            case "progress":
                desk.read(desk.topics.announce("progress", f"r-{number}", f"a-{number % 2}", stage="step"))
        match data.draw(st.sampled_from(["read", "on", "on", "cut", "other gateway"])):
            case "read":
                await _catch_up(stream, desk, known)
            case "cut":
                stream = desk.stream(after=stream.last_id or "r0-0")
            case "other gateway":
                desk = Desk(board=board_of(desk.topics.records), topics=desk.topics)
                stream = desk.stream(after=stream.last_id or "r0-0")
    await _catch_up(stream, desk, known)
    theirs = [article for article in desk.board.articles() if READER.sees(article)]
    states = {image.id: image.state for article in theirs for image in article.images.values()}
    states = {name: "queued" if state == "painting" else state for name, state in states.items()}
    assert {name: "queued" if state == "painting" else state for name, state in known.items()} == states


async def _catch_up(stream: Stream, desk: Desk, known: dict[str, str]) -> None:
    desk.read(desk.topics.ask(f"mark-{len(desk.topics.records)}", save("mark")))
    while stream.last_id != desk.board.position.encode():
        await stream.open()
    for _, image in stream.waiting:
        known[image["id"]] = image["state"]
    stream.waiting.clear()


async def test_a_client_that_missed_too_much_is_told_to_load_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of changes are not written for each client that comes back: it gets `reset`, and goes on from there."""
    monkeypatch.setattr(following, "MOST_MISSED", 2)
    topics = Topics()
    for number in range(3):
        topics.ask(f"r-{number}", save(f"a-{number}"))
    board = board_of(topics.records)
    told = [event async for event in _events(board, "r0-1", most=2)]
    assert [name for name, _ in told] == ["image", "image"]
    assert [name for name, _ in [event async for event in _events(board, "r0-0", most=1)]] == ["reset"]


async def _events(board: Board, after: str, most: int) -> AsyncIterator[tuple[str, Any]]:
    stream = Stream(Follower(board, Broadcast(), READER, _always).articles(parse_position(after)))
    for _ in range(most):
        event = await stream.next()
        assert event is not None
        yield event


async def _always() -> bool:
    return True


def test_what_is_sent_at_once_is_bounded() -> None:
    """Messages are joined up to a size, so that clients that do not read cost little; none is lost or out of order."""
    messages = [Message(b"%d" % (number % 10) * 30_000, "a-1", SOURCE, "r-1") for number in range(20)]
    sent = [*following.pieces(messages)]
    assert b"".join(sent) == b"".join(message.encoded for message in messages)
    assert {len(piece) for piece in sent} == {90_000, 60_000}
    assert [*following.pieces([])] == []


async def test_an_approvals_stream_ends_with_what_it_approved() -> None:
    """It sends nothing of other requests, and at last that the approval is final."""
    desk = Desk()
    desk.read(desk.topics.ask("r-2", save(revision=1)))
    desk.read(desk.topics.announce("held", "r-2", rule="drafts"))
    desk.read(desk.topics.ask("ok", decision(), type=names.IMAGE_APPROVED))
    stream = desk.image_stream("ok")
    first = await stream.next()
    desk.read(desk.topics.announce("ready", "r-2", ordinal=1, pictures=pictures("p-1")))
    last = await stream.next()
    assert [(each and each[1]["id"], each and each[1]["final"]) for each in (first, last)] == [
        ("ok", False),
        ("ok", True),
    ]
    assert await stream.next() is None
