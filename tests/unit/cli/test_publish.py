"""`leadart publish`, with the bus left out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from consumer.cli import publish
from consumer.cli.root import app
from consumer.errors import Rejected
from consumer.jobs import Record
from consumer.kafka.announced import AnnouncedEvent
from consumer.kafka.cms_client import CmsSubscriber, request_event
from schemas import names
from schemas.cloudevents import Event
from tests.support.announcements import announced, record

REQUEST = '{"article": {"id": "a-1", "revision": 7}}'
CHOICE = '{"article": {"id": "a-1", "revision": 7}, "picture": null, "external": true}'
DECISION = '{"article": {"id": "a-1"}, "slot": null, "reason": "Sub judice."}'
APPROVAL = '{"article": {"id": "a-1", "revision": 7}, "approved_by": "kim"}'


def event(event_type: str = names.IMAGE_REQUESTED, data: str = REQUEST) -> Event:
    return replace(request_event(json.loads(data), "r-1", event_type=event_type), data=data.encode())


async def ends(published: Event, *polls: list[Record], seconds: float = 5.0) -> list[Record]:
    subscriber = cast("CmsSubscriber", Subscriber(*polls))
    return [outcome.record for outcome in await publish.outcomes_of(subscriber, published, seconds)]


class Subscriber:
    """Stands in for a `CmsSubscriber`: one poll after another."""

    def __init__(self, *polls: list[Record]) -> None:
        self.polls = list(polls)

    async def read(self, seconds: float) -> list[Record]:
        del seconds
        return self.polls.pop(0) if self.polls else []


async def test_only_the_requests_own_outcome_ends_the_wait() -> None:
    """Others' outcomes and its own progress pass by."""
    mine = record("failed", request="r-1", reason="too_large", message="It is too large.")
    others = [record("ready", request="r-0"), record("progress", request="r-1", stage="accepted")]

    assert await ends(event(), [], others, [mine]) == [mine]


async def test_what_lets_go_is_not_told_as_a_picture_used_again() -> None:
    """Its outcome looks like that of any picture that was there before."""
    letting_go = event(names.IMAGE_CHOSEN, '{"article": {"id": "a-1", "revision": 7}, "picture": null}')
    subscriber = cast("CmsSubscriber", Subscriber([record("ready", request="r-1", reused=True)]))
    (outcome,) = await publish.outcomes_of(subscriber, letting_go, 5.0)

    assert outcome.sentence == "ready, no longer chosen: a-1 revision 7"


async def test_the_wait_has_an_end() -> None:
    """Nothing, when no outcome came in time."""
    assert await ends(event(), seconds=0.02) == []


async def test_a_withdrawal_has_an_outcome_for_each_slot() -> None:
    """All of them are waited for, though they may be read in two polls."""
    slots = [record("withdrawn", request="r-1", slot=slot) for slot in ("hero", "teaser", "social")]
    later = record("withdrawn", request="r-9", slot="hero")

    assert await ends(event(names.ARTICLE_WITHDRAWN, DECISION), slots[:2], [slots[2], later], [], [later]) == slots


async def test_an_approval_has_the_held_requests_outcome() -> None:
    """That of the approved slot and revision, whose own id it has; not that it is held."""
    others = [
        record("held", request="r-0"),
        record("ready", request="r-2", slot="teaser"),
        record("ready", request="r-3", article_id="a-2"),
    ]
    mine = record("ready", request="r-0")

    assert await ends(event(names.IMAGE_APPROVED, APPROVAL), others, [mine]) == [mine]


@pytest.mark.parametrize(
    ("kind", "data", "status", "printed"),
    [
        ("ready", {"pictures": [{"url": "https://p/1.png"}]}, 0, "https://p/1.png"),
        ("failed", {"reason": "too_large", "message": "It is too large."}, 1, "too_large: It is too large."),
        ("superseded", {"superseded_by": {"revision": 8}}, 1, "superseded by revision 8"),
        ("expired", {"expired_at": "2031-05-17T08:00:00Z"}, 1, "passed before its turn"),
        ("declined", {"rule": "courts", "message": "No pictures."}, 1, "courts: No pictures."),
        (
            "held",
            {"rule": "war", "held_until": "2031-05-17T08:00:00Z"},
            1,
            "Expires 2031-05-17T08:00:00Z unless approved.",
        ),
        (None, {}, 3, "leadart outcomes a-1"),
    ],
)
def test_the_exit_status_is_the_outcomes(
    kind: str | None, data: dict[str, Any], status: int, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 for pictures, 1 for none, 3 for no outcome in time; each with its sentence."""

    async def outcome(*_: object) -> object:
        return [announced(kind, **data)] if kind else []

    monkeypatch.setattr(publish, "_publish_and_wait", outcome)
    done = CliRunner().invoke(app, ["publish", "-", "--wait", "--timeout", "90s"], input=REQUEST)

    assert done.exit_code == status
    assert printed in done.output


@pytest.mark.parametrize(
    ("arguments", "data", "outcomes", "status"),
    [
        ([], CHOICE, [announced("declined", rule="external_choice", message="Own.")], 0),
        ([], CHOICE, [announced("declined", rule="courts", message="No.")], 1),
        ([], CHOICE, [announced("superseded", superseded_by={"revision": 9})], 1),
        (["--type", "withdrawn"], DECISION, [announced("withdrawn"), announced("withdrawn", slot="teaser")], 0),
        (["--type", "withdrawn"], DECISION, [announced("failed", reason="wrong_key", message="Key.")], 1),
        ([], APPROVAL, [announced("ready")], 0),
        ([], APPROVAL, [announced("failed", reason="nothing_held", message="Nothing is held.")], 1),
    ],
)
def test_the_exit_status_of_a_decision_says_whether_it_holds(
    arguments: list[str], data: str, outcomes: list[AnnouncedEvent], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An external choice is answered as declined, a withdrawal as withdrawn: both are as they were meant."""

    async def answer(*_: object) -> list[AnnouncedEvent]:
        return outcomes

    monkeypatch.setattr(publish, "_publish_and_wait", answer)
    done = CliRunner().invoke(app, ["publish", "-", "--wait", *arguments], input=data)

    assert done.exit_code == status
    assert len(done.stdout.splitlines()) == len(outcomes)


def test_a_restoration_is_not_waited_for(published: list[Event]) -> None:
    """It has no outcome; the sentence says where a failure would be."""
    done = CliRunner().invoke(app, ["publish", "-", "--wait", "--type", "restored"], input=DECISION)

    assert done.exit_code == 0
    assert "leadart outcomes a-1" in done.stdout
    assert [one.type for one in published] == [names.ARTICLE_RESTORED]


def test_data_of_several_types_are_not_published(published: list[Event]) -> None:
    """A withdrawal looks like a restoration: neither is guessed, and an unknown type is refused with the known ones."""
    unclear = CliRunner().invoke(app, ["publish", "-"], input=DECISION)
    unknown = CliRunner().invoke(app, ["publish", "-", "--type", "choose"], input=CHOICE)

    assert isinstance(unclear.exception, Rejected)
    assert "--type" in unclear.exception.message
    assert (unknown.exit_code, "image-chosen" in unknown.stderr) == (2, True)
    assert published == []


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Stand in for Kafka: what was published."""
    sent: list[Event] = []

    async def publish_it(_: object, event: Event) -> None:
        sent.append(event)

    monkeypatch.setattr(publish, "_publish", publish_it)
    return sent


def test_unknown_fields_are_named_before_the_request_is_published(published: list[Event]) -> None:
    """On stderr, with the nearest known field; the request is published all the same."""
    request = '{"article": {"id": "a-1", "revision": 7}, "otput": {}, "mood": "calm"}'
    done = CliRunner().invoke(app, ["publish", "-"], input=request)

    assert done.exit_code == 0
    assert "leadart: otput is not a field of a request and is ignored: did you mean output?\n" in done.stderr
    assert "leadart: mood is not a field of a request and is ignored\n" in done.stderr
    assert [event.data for event in published] == [request.encode()]
