"""`consumer.gateway.board.board`: the read model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.ports import Partition
from consumer.gateway.board.article import MOST_IMAGES
from consumer.gateway.board.board import Board
from consumer.gateway.board.position import StreamPosition
from consumer.jobs import Record
from schemas import names
from tests.support.board import PLENTY, SOURCE, TOPICS, Topics, board_of, decision, pictures, save, view

KINDS = ["ready", "failed", "superseded", "expired", "declined", "held", "withdrawn", "cancelled", "refined"]
DECISIONS = [names.IMAGE_CHOSEN, names.IMAGE_APPROVED, names.ARTICLE_WITHDRAWN, names.ARTICLE_RESTORED]

articles = st.sampled_from(["a-1", "a-2"])
slots = st.sampled_from(["hero", "teaser"])
numbers = st.integers(1, 5)


def one_event(draw: st.DrawFn, topics: Topics) -> None:
    """Append a request, a replay of it, a decision, or an outcome of something: asked before, or after, or never."""
    article, slot, request_id = draw(articles), draw(slots), f"r-{draw(numbers)}"
    match draw(st.sampled_from(["save", "backfill", "decision", "outcome", "outcome", "repeat"])):
        case "save":
            source = draw(st.sampled_from([SOURCE, "/cms/other"]))
            topics.ask(request_id, save(article, draw(numbers), slot, section=draw(slots)), source=source)
        case "backfill":
            topics.ask(request_id, save(article, draw(numbers), slot), topic=names.BACKFILL)
        case "decision":
            about = draw(st.sampled_from([slot, None]))
            topics.ask(request_id, decision(article, about), type=draw(st.sampled_from(DECISIONS)))
        case "outcome":
            said = {"ordinal": draw(numbers), "pictures": pictures(f"{draw(numbers)}"), "chosen": draw(st.booleans())}
            rule = {"rule": draw(st.sampled_from(["external_choice", "drafts"]))}
            event = f"o-{draw(numbers)}"
            kind = draw(st.sampled_from(KINDS))
            topics.announce(kind, request_id, article, slot, revision=draw(numbers), event=event, **said, **rule)
        case "repeat" if topics.records:
            again = draw(st.sampled_from(topics.records))
            offset = sum(record.topic == again.topic for record in topics.records)
            topics.records.append(_later(again, offset, 1_000 * (len(topics.records) + 1)))


def _later(record: Record, offset: int, timestamp_ms: int) -> Record:
    return Record(record.topic, 0, offset, record.key, record.value, record.headers, timestamp_ms)


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """What was published, in the order of time."""
    topics = Topics()
    for _ in range(draw(st.integers(1, 14))):
        one_event(draw, topics)
    return topics.records


@st.composite
def readings(draw: st.DrawFn) -> tuple[list[Record], list[Record]]:
    """Histories, and how they are read: each topic in its order, now and then again from before."""
    records = draw(histories())
    left = {topic: [record for record in records if record.topic == topic] for topic in TOPICS}
    at = dict.fromkeys(left, 0)
    read: list[Record] = []
    while unread := [topic for topic in left if at[topic] < len(left[topic])]:
        topic = draw(st.sampled_from(unread))
        read.append(left[topic][at[topic]])
        again = len(read) < 40 and draw(st.integers(0, 9)) == 0
        at[topic] = draw(st.integers(0, at[topic])) if again else at[topic] + 1
    return records, read


@given(readings(), st.sets(st.integers(0, 20)))
def test_the_same_records_give_the_same_board(reading: tuple[list[Record], list[Record]], early: set[int]) -> None:
    """Whatever topic is read first, whatever is read again or was known early, the board says the same."""
    records, read = reading
    expected, board = board_of(records), board_of([])
    for index in early & set(range(len(records))):
        if records[index].topic == names.REQUESTED:
            board.take_early(records[index])
    for record in read:
        board.take(record)
    assert view(board) == view(expected)
    assert board.position.encode() == expected.position.encode()


@given(readings(), st.integers(8, 4_000))
def test_memory_is_bounded_in_any_order(reading: tuple[list[Record], list[Record]], most: int) -> None:
    """However little memory there is, what is kept is within it or one article; nothing is left of the rest."""
    board = Board(most, TOPICS)
    for record in reading[1]:
        board.take(record)
        kept = list(board.articles())
        assert len(kept) <= 1 or 4 * sum(article.size for article in kept) <= most
        known = {id(image) for article in kept for image in article.images.values()}
        asked = {image_id for article in kept for image_id in article.images}
        assert {id(image) for image_id in asked for image in board.images(image_id)} == known
        assert all(not board.images(f"r-{number}") for number in range(1, 6) if f"r-{number}" not in asked)


def test_what_is_let_go_is_known_to_be_missing() -> None:
    """A position before a record that was let go is before the board's begin; one after it is not."""
    topics = Topics()
    for number in range(20):
        topics.ask(f"r-{number}", save(f"a-{number}"))
    board = Board(4 * 1000, TOPICS)
    for record in topics.records:
        board.take(record)
    kept = {article.id for article in board.articles()}
    first = 20 - len(kept)
    assert kept == {f"a-{number}" for number in range(first, 20)}
    assert 1 <= first < 20
    assert board.begins.next_offset(Partition(names.REQUESTED, 0)) == first


def test_old_articles_are_let_go_by_the_time_of_records() -> None:
    """After a record of a later day, an article without news since the history's days is no longer there."""
    topics = Topics()
    old = topics.ask("r-1", save("a-1"))
    late = _later(topics.ask("r-2", save("a-2")), 1, old.timestamp_ms + 86_400_000 + 1)
    board = board_of([old], history_days=1)
    assert board.article("a-1") is not None
    board.take(late)
    assert [article.id for article in board.articles()] == ["a-2"]
    assert board.images("r-1") == []


def test_an_outcome_of_an_article_that_was_let_go_does_not_bring_it_back() -> None:
    """At the start requests may be read first: outcomes of what did not fit would push out what is newer."""
    topics = Topics()
    for number in range(20):
        topics.ask(f"r-{number}", save(f"a-{number}"))
    said = [topics.announce("failed", f"r-{number}", f"a-{number}") for number in range(3)]
    board = Board(4 * 1000, TOPICS)
    for record in topics.records[:20]:
        board.take(record)
    kept = [article.id for article in board.articles()]
    old = [_later(record, record.offset, 1_500) for record in said]
    for record in old:
        board.take(record)
    assert [article.id for article in board.articles()] == kept
    assert board.begins.next_offset(Partition(names.OUTCOME, 0)) == 3


def test_an_article_with_very_many_requests_keeps_the_newest_and_what_it_shows() -> None:
    """A slot's choice stays, however many saves come after it."""
    topics = Topics()
    topics.ask("chosen", decision(), type=names.IMAGE_CHOSEN)
    topics.announce("ready", "chosen", ordinal=1, chosen=True, pictures=pictures("p-1"))
    for number in range(MOST_IMAGES + 50):
        topics.ask(f"r-{number}", save(revision=number + 1))
        topics.announce("failed", f"r-{number}")
    board = board_of(topics.records)
    article = board.article("a-1")
    assert article is not None
    assert len(article.images) <= MOST_IMAGES + 1
    assert article.summary()["slots"][0]["picture"]["sha256"] == "p-1"
    assert board.images("r-0") == []
    assert board.images(f"r-{MOST_IMAGES + 49}")


def test_an_outcome_may_be_read_before_its_request() -> None:
    """The outcome is shown at once, and is the request's once that is read."""
    topics = Topics()
    asked = topics.ask("r-1", save(section="News"))
    ready = topics.announce("ready", "r-1", ordinal=1, pictures=pictures("p-1"))
    board = board_of([ready])
    (article,) = board.articles()
    assert (article.source, article.summary()["slots"][0]["state"]) == ("", "ready")
    change = board.take(asked)
    assert change is not None
    assert (change.image.state, change.image.source, len(article.images)) == ("ready", SOURCE, 1)
    assert article.summary()["section"] == "News"


def test_a_request_id_of_two_articles_is_two_requests() -> None:
    """Two sources may use one id: each article has its own, with its own outcome."""
    topics = Topics()
    topics.ask("r-1", save("a-1"))
    topics.ask("r-1", save("a-2"), source="/cms/other")
    topics.announce("ready", "r-1", "a-2", ordinal=1, pictures=pictures("p-2"))
    board = board_of(topics.records)
    found = {image.article: (image.source, image.state) for image in board.images("r-1")}
    assert found == {"a-1": (SOURCE, "queued"), "a-2": ("/cms/other", "ready")}


def test_a_replay_changes_nothing_but_may_bring_a_new_outcome() -> None:
    """The same event again on another topic is the same request; an outcome of the same id has fresher addresses."""
    topics = Topics()
    topics.ask("r-1", save())
    topics.announce("ready", "r-1", ordinal=1, pictures=pictures("p-1"), url="old")
    board = board_of(topics.records)
    before = view(board)
    assert board.take(topics.ask("r-1", save(), topic=names.BACKFILL)) is None
    assert view(board) == before
    assert board.take(topics.announce("ready", "r-1", ordinal=1, pictures=pictures("p-1"), url="fresh")) is not None
    (image,) = board.images("r-1")
    assert (len(image.outcomes), image.summary()["outcome"]["url"]) == (1, "fresh")


def test_a_request_that_was_known_early_is_no_news_when_it_is_read() -> None:
    """What the gateway published itself is on the board at once, and counts once."""
    topics = Topics()
    asked = topics.ask("r-1", save())
    board = board_of([])
    assert board.take_early(asked) is not None
    assert board.position.encode() == ""
    assert board.take(asked) is None
    assert board.position.encode() == "r0-1"
    assert board.take_early(asked) is None


def test_progress_is_told_until_the_last_outcome() -> None:
    """A held request that was approved is painted like any other: its progress is shown; after its end none is."""
    topics = Topics()
    topics.ask("r-1", save())
    board = board_of(topics.records)
    (image,) = board.images("r-1")

    def report(stage: str) -> Any:
        return board.take(topics.announce("progress", "r-1", stage=stage, step=1, of=8, index=0, event=stage))

    assert report("accepted") is not None
    assert image.state == "queued"
    board.take(topics.announce("held", "r-1", rule="drafts"))
    assert (image.state, image.is_final) == ("held", False)
    change = report("step")
    assert change is not None
    assert (change.kind, image.state, image.summary()["progress"][0]["step"]) == ("progress", "painting", 1)
    board.take(topics.announce("ready", "r-1", ordinal=1, pictures=pictures("p-1")))
    assert report("storing") is None
    assert (image.state, image.summary()["progress"]) == ("ready", None)


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"[1]", b"{", b'{"article": {"id": 3}}'])
def test_rubbish_on_any_topic_is_passed_by(value: bytes | None) -> None:
    """A record that is no event changes no article that is known, and the position goes on."""
    topics = Topics()
    topics.ask("r-1", save())
    board = board_of(topics.records)
    before = view(board)
    for topic in TOPICS:
        board.take(Record(topic, 0, 1, b"a-1", value, (), 5_000))
    assert view(board) == before
    assert board.position.encode() == "b0-2_o0-2_r0-2"


def test_where_reading_begins_is_part_of_the_position() -> None:
    """Of a partition whose records are older than the history, who knows its end misses nothing."""
    board = board_of([])
    board.start({Partition(names.BACKFILL, 0): 7, Partition(names.OUTCOME, 1): 0, Partition(names.PROGRESS, 0): 4})
    assert board.position.encode() == "b0-7_o1-0"
    assert not board.position.is_before(board.begins)
    assert StreamPosition().is_before(board.begins)


def test_old_articles_are_looked_for_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a week's history at the start puts all articles in order some hundred times, not once a minute of it."""
    looked: list[int] = []
    monkeypatch.setattr(Board, "_let_go", lambda _board, until_ms: looked.append(until_ms))
    asked = [Topics().ask(f"r-{number}", save(f"a-{number}")) for number in range(2016)]
    week = [replace(record, offset=at, timestamp_ms=300_000 * at) for at, record in enumerate(asked)]
    board = Board(PLENTY, TOPICS, history_days=7)
    for record in week:
        board.take(record)
    assert 300 <= len(looked) <= 501
