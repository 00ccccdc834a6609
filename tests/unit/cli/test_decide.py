"""`leadart choose`, `withdraw` and `restore`, with the bus left out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from consumer.admin.heads import StoredHead
from consumer.cli import decide
from consumer.cli.root import app
from consumer.delivery.heads import NO_HEAD, WHOLE_ARTICLE, Slot
from schemas import names
from schemas.cloudevents import Event
from schemas.requests import REQUESTS

DIGEST = "9f" * 32
HEADS = {WHOLE_ARTICLE: 0, "hero": 7, "teaser": 3}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Stand in for Kafka: article a-1 has two slots; return what was published."""
    sent: list[Event] = []

    async def find(_settings: object, article: str) -> list[StoredHead]:
        heads = HEADS if article == "a-1" else {}
        return [
            StoredHead(Slot(article, slot), NO_HEAD._replace(revision=revision), 0) for slot, revision in heads.items()
        ]

    def publish(_settings: object, event: Event, _timeout: timedelta) -> None:
        sent.append(event)

    monkeypatch.setattr("consumer.admin.heads.find_heads", find)
    monkeypatch.setattr(decide, "publish_and_report", publish)
    return sent


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments)
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["choose", "a-1", DIGEST], [f"would keep {DIGEST} in hero (revision 7)"]),
        (["choose", "a-1", "--let-go", "--slot", "teaser"], ["would let go of the choice in teaser (revision 3)"]),
        (["choose", "a-2", "--external"], ["would keep the site's own picture in hero (revision 0)"]),
        (["withdraw", "a-1", "--slot", "teaser"], ["would delete the pictures of teaser (revision 3)"]),
        (
            ["withdraw", "a-1"],
            ["would delete the pictures of hero (revision 7)", "would delete the pictures of teaser (revision 3)"],
        ),
        (["withdraw", "a-2"], ["would make no pictures"]),
        (["restore", "a-1"], ["would open all slots to new requests"]),
    ],
)
def test_every_decision_is_rehearsed_first(arguments: list[str], lines: list[str], published: list[Event]) -> None:
    """It says what it would do, and how to do it."""
    status, output = run(*arguments)

    assert status == 0
    assert output.splitlines()[:-1] == lines
    assert "add --execute" in output
    assert published == []


@pytest.mark.parametrize(
    ("arguments", "event_type", "data"),
    [
        (
            ["choose", "a-1", DIGEST, "--caption", "In port.", "--by", "kim"],
            names.IMAGE_CHOSEN,
            {
                "article": {"id": "a-1", "revision": 7},
                "slot": "hero",
                "picture": {"sha256": DIGEST},
                "caption": "In port.",
                "chosen_by": "kim",
            },
        ),
        (
            ["choose", "a-1", "--external"],
            names.IMAGE_CHOSEN,
            {"article": {"id": "a-1", "revision": 7}, "slot": "hero", "picture": None, "external": True},
        ),
        (
            ["choose", "a-1", "--let-go"],
            names.IMAGE_CHOSEN,
            {"article": {"id": "a-1", "revision": 7}, "slot": "hero", "picture": None},
        ),
        (
            ["withdraw", "a-1", "--reason", "Sub judice.", "--by", "kim"],
            names.ARTICLE_WITHDRAWN,
            {"article": {"id": "a-1"}, "slot": None, "reason": "Sub judice.", "withdrawn_by": "kim"},
        ),
        (
            ["restore", "a-1", "--slot", "hero"],
            names.ARTICLE_RESTORED,
            {"article": {"id": "a-1"}, "slot": "hero", "reason": None},
        ),
    ],
)
def test_execute_publishes_the_decision(
    arguments: list[str], event_type: str, data: dict[str, Any], published: list[Event]
) -> None:
    """Under the article's id, with the slot's newest revision, as the contract has it."""
    assert run(*arguments, "--execute") == (0, "")
    (event,) = published

    assert (event.type, event.subject, event.data) == (event_type, "a-1", data)
    REQUESTS[event_type].model_validate(data)


@pytest.mark.parametrize(
    "arguments", [[], [DIGEST, "--let-go"], ["--external", "--let-go"], ["9f2c"], [DIGEST.upper()]]
)
def test_a_choice_is_of_one_thing(arguments: list[str], published: list[Event]) -> None:
    """A picture by its whole digest, or letting go, or the site's own."""
    status, _ = run("choose", "a-1", *arguments, "--execute")

    assert status == 2
    assert published == []
