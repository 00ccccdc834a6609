"""`leadart keys`: what it writes, what it shows once, and that nothing is destroyed by a dry run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from consumer.cli.root import app
from consumer.gateway.access.key_file import ApiKey, read_keys
from consumer.gateway.access.principal import Scope

CREATE = ("create", "--source", "/cms/news", "--scope", "publish")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "keys.json"
    monkeypatch.setenv("LEADART_GATEWAY__KEYS_FILE", str(path))
    return path


def attempt(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments])


def run(*arguments: str) -> str:
    done = attempt(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def create(*arguments: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(run(*CREATE, *arguments, "--json"))
    return made


def only(file: Path) -> ApiKey:
    (key,) = read_keys(file).keys
    return key


def test_a_key_is_printed_alone_and_works(file: Path) -> None:
    """Standard output is the key, for a pipe; the file opens for it and does not contain it."""
    token = run(*CREATE)
    key = read_keys(file).find(token)
    assert key is not None
    assert (key.source, key.scopes, key.articles, key.expires) == (
        "/cms/news",
        frozenset({Scope.PUBLISH}),
        ("*",),
        None,
    )
    assert token.rsplit("_", 1)[1] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_key_has_what_its_options_say(file: Path) -> None:
    """Scopes, patterns, life and limits are in the file, and `list` shows them."""
    create(
        *("--scope", "read", "--article", "news-*", "--article", "a-1", "--note", "Ada", "--expires", "90d"),
        *("--requests-per-second", "2.5", "--pictures-per-day", "40"),
    )
    key = only(file)
    assert key.scopes == {"publish", "read"}
    assert key.articles == ("news-*", "a-1")
    assert (key.requests_per_second, key.pictures_per_day) == (2.5, 40)
    assert key.expires is not None
    assert key.expires - key.created == timedelta(days=90)
    listed = run("list")
    for shown in (key.id, "/cms/news", "publish, read", "news-* a-1", "2.5", "40", "Ada"):
        assert shown in listed


def test_lists_tell_no_hash(file: Path) -> None:
    """Neither output has the hash of a secret."""
    create()
    digest = only(file).sha256
    assert digest not in run("list") + run("list", "--json")
    assert json.loads(run("list", "--json"))["keys"][0]["id"] == only(file).id


def test_revoking_is_a_dry_run_first(file: Path) -> None:
    """The key stays until --execute; the others stay after it."""
    first, second = create()["id"], create()["id"]
    assert "would revoke" in run("revoke", first)
    assert len(read_keys(file).keys) == 2
    run("revoke", first, "--execute")
    assert only(file).id == second


def test_rotation_overlaps(file: Path) -> None:
    """Both keys are good until the overlap has passed; the new one has the old one's rights and life."""
    old = create("--expires", "30d", "--article", "news-*", "--pictures-per-day", "9")
    assert "would replace" in run("rotate", old["id"])
    assert only(file).id == old["id"]
    token = run("rotate", old["id"], "--overlap", "2h", "--execute")
    keys, now = read_keys(file), datetime.now(UTC)
    new = keys.find(token)
    assert new is not None
    assert (new.source, new.scopes, new.articles, new.pictures_per_day) == (
        "/cms/news",
        frozenset({Scope.PUBLISH}),
        ("news-*",),
        9,
    )
    assert new.expires is not None
    assert timedelta(days=29, hours=23) < new.expires - now <= timedelta(days=30)
    assert keys.find(old["key"], now + timedelta(minutes=119)) is not None
    assert keys.find(old["key"], now + timedelta(minutes=121)) is None


def test_rotation_does_not_prolong_the_old_key(file: Path) -> None:
    """A key that expires within the overlap still expires then."""
    old = create("--expires", "1h")
    expires = only(file).expires
    run("rotate", old["id"], "--execute")
    assert read_keys(file).keys[0].expires == expires


@pytest.mark.parametrize(
    "command", [("revoke", "nokey000"), ("rotate", "nokey000"), ("rotate", "nokey000", "--execute")]
)
def test_an_unknown_key_is_named(file: Path, command: tuple[str, ...]) -> None:
    """It is an error that says where ids are shown, and nothing changes."""
    create()
    before = file.read_text()
    failed = attempt(*command)
    assert "There is no key 'nokey000'" in str(failed.exception)
    assert file.read_text() == before


def test_without_a_file_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the setting."""
    monkeypatch.delenv("LEADART_GATEWAY__KEYS_FILE", raising=False)
    assert "LEADART_GATEWAY__KEYS_FILE" in str(attempt("list").exception)


@pytest.mark.parametrize("source", ["", "  ", "/cms/\n", "x" * 201])
def test_a_source_is_text_to_print(file: Path, source: str) -> None:
    """What no event may carry as its source makes no key."""
    assert attempt("create", "--source", source, "--scope", "read").exit_code == 2
    assert not file.exists()


def test_help_says_the_overlap_in_words() -> None:
    """As people write it, not as Python does."""
    printed = attempt("rotate", "--help").output
    assert "7 days" in printed
    assert "0:00:00" not in printed
