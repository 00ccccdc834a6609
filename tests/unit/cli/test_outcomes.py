"""`leadart outcomes`, with the bus left out."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from consumer.cli.root import app
from consumer.kafka import outcome_search
from consumer.kafka.outcome_search import RecentOutcomes
from consumer.settings import Settings
from tests.support.announcements import announced

READY = {"pictures": [{"url": "https://p/1.png"}, {"url": "https://p/2.png"}]}


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str | None]]:
    searches = []

    async def recent(settings: Settings, last: int, article: str | None) -> RecentOutcomes:
        del settings
        searches.append((last, article))
        failed = announced("failed", article_id="a[2]", reason="too_large", message="It is too large.")
        return RecentOutcomes([announced("ready", **READY), failed], datetime(2031, 5, 17, tzinfo=UTC))

    monkeypatch.setattr(outcome_search, "recent_outcomes", recent)
    return searches


def test_outcomes_are_a_table(searches: list[tuple[int, str | None]]) -> None:
    """Time, article, revision, slot, kind, and pictures or reason; a search cut short is mentioned."""
    done = CliRunner().invoke(app, ["outcomes", "a-1", "--last", "5"])
    rows = [" ".join(line.replace("│", " ").split()) for line in done.stdout.splitlines()]

    assert searches == [(5, "a-1")]
    assert "1970-01-01 00:00:01 a-1 7 hero ready 2 pictures" in rows
    assert "1970-01-01 00:00:01 a[2] 7 hero failed too_large: It is too large." in rows
    assert "searched back to 2031-05-17" in done.stderr


def test_outcomes_are_lines_of_json(searches: list[tuple[int, str | None]]) -> None:
    """One object a line, and nothing else on stdout."""
    done = CliRunner().invoke(app, ["outcomes", "--json"])

    assert searches == [(20, None)]
    assert [json.loads(line)["kind"] for line in done.stdout.splitlines()] == ["ready", "failed"]


def test_no_outcomes_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """An article that nobody asked for is named, and its table is empty."""

    async def nothing(*_: object) -> RecentOutcomes:
        return RecentOutcomes([], None)

    monkeypatch.setattr(outcome_search, "recent_outcomes", nothing)
    done = CliRunner().invoke(app, ["outcomes", "a-404"])

    assert done.exit_code == 0
    assert "no outcomes of article a-404" in done.stderr
