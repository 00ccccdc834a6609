"""`leadart publish --wait`, with the bus left out."""

from __future__ import annotations

from typing import Any, cast

import pytest
from typer.testing import CliRunner

from consumer.cli import publish
from consumer.cli.root import app
from consumer.jobs import Record
from consumer.kafka.cms_client import CmsSubscriber
from schemas.cloudevents import Event
from tests.support.announcements import announced, record

REQUEST = '{"article": {"id": "a-1", "revision": 7}}'


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
    found = await publish.outcome_of(cast("CmsSubscriber", Subscriber([], others, [mine])), "r-1", 5.0)

    assert found
    assert found.record is mine


async def test_the_wait_has_an_end() -> None:
    """None, when no outcome came in time."""
    assert await publish.outcome_of(cast("CmsSubscriber", Subscriber()), "r-1", 0.02) is None


@pytest.mark.parametrize(
    ("kind", "data", "status", "printed"),
    [
        ("ready", {"pictures": [{"url": "https://p/1.png"}]}, 0, "https://p/1.png"),
        ("failed", {"reason": "too_large", "message": "It is too large."}, 1, "too_large: It is too large."),
        ("superseded", {"superseded_by": {"revision": 8}}, 1, "superseded by revision 8"),
        ("expired", {"expired_at": "2031-05-17T08:00:00Z"}, 1, "passed before its turn"),
        (None, {}, 3, "leadart outcomes a-1"),
    ],
)
def test_the_exit_status_is_the_outcomes(
    kind: str | None, data: dict[str, Any], status: int, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 for pictures, 1 for none, 3 for no outcome in time; each with its sentence."""

    async def outcome(*_: object) -> object:
        return announced(kind, **data) if kind else None

    monkeypatch.setattr(publish, "_publish_and_wait", outcome)
    done = CliRunner().invoke(app, ["publish", "-", "--wait", "--timeout", "90s"], input=REQUEST)

    assert done.exit_code == status
    assert printed in done.output


def test_unknown_fields_are_named_before_the_request_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, with the nearest known field; the request is published all the same."""
    published: list[Event] = []

    async def publish_it(_: object, event: Event) -> None:
        published.append(event)

    monkeypatch.setattr(publish, "_publish", publish_it)
    request = '{"article": {"id": "a-1", "revision": 7}, "otput": {}, "mood": "calm"}'
    done = CliRunner().invoke(app, ["publish", "-"], input=request)

    assert done.exit_code == 0
    assert "leadart: otput is not a field of a request and is ignored: did you mean output?\n" in done.stderr
    assert "leadart: mood is not a field of a request and is ignored\n" in done.stderr
    assert [event.data for event in published] == [request.encode()]
