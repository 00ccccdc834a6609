"""`leadart heads reset` is rehearsed unless `--execute` is given."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from consumer.admin.heads import StoredHead
from consumer.cli.root import app
from consumer.delivery.heads import Head, Slot

HEADS = [StoredHead(Slot("a-1", name), Head(2**40, "/cms", "r-1"), 0) for name in ("hero", "thumb")]


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> list[StoredHead]:
    """Stand in for Kafka: article a-1 has two heads; return the list of those deleted."""
    gone: list[StoredHead] = []

    async def find(_settings: object, article: str) -> list[StoredHead]:
        return HEADS if article == "a-1" else []

    async def reset(_settings: object, heads: list[StoredHead]) -> None:
        gone.extend(heads)

    monkeypatch.setattr("consumer.admin.heads.find_heads", find)
    monkeypatch.setattr("consumer.admin.heads.reset_heads", reset)
    return gone


def test_a_reset_is_a_dry_run_by_default(deleted: list[StoredHead]) -> None:
    """It says what it would delete, and how to do it."""
    done = CliRunner().invoke(app, ["heads", "reset", "a-1", "--slot", "hero"])

    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == f"would delete  hero: revision {2**40}"
    assert "add --execute" in done.stdout
    assert deleted == []


def test_a_reset_with_execute_deletes(deleted: list[StoredHead]) -> None:
    """Only the chosen slot's head, and nothing where there is none."""
    done = CliRunner().invoke(app, ["heads", "reset", "a-1", "--slot", "hero", "--execute"])
    nothing = CliRunner().invoke(app, ["heads", "reset", "a-2", "--execute"])

    assert done.stdout == f"deleted  hero: revision {2**40}\n"
    assert deleted == HEADS[:1]
    assert "nothing to do" in nothing.stdout
