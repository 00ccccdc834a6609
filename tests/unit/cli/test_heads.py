"""What `leadart heads` shows, and that `heads reset` is rehearsed unless `--execute` is given."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from consumer.admin.heads import StoredHead
from consumer.cli.root import app
from consumer.delivery.editorial import Choice, Editorial, Held, Position, Withdrawal
from consumer.delivery.heads import NO_HEAD, WHOLE_ARTICLE, Head, Numbered, Slot
from schemas.editorial import ImageChosen

HEADS = [StoredHead(Slot("a-1", name), Head(2**40, "/cms", "r-1"), 0) for name in ("hero", "thumb")]

CHOSEN = ImageChosen.model_validate(
    {"article": {"id": "a-3", "revision": 7}, "picture": {"recipe": "b" * 64}, "chosen_by": "ana"}
)
CHOICE = Choice(decision=CHOSEN, sha256="a" * 64, recipe="b" * 64, ordinal=4)
AT = Position(topic="article-image-requested", partition=2, offset=17)
TAKEN_DOWN = Withdrawal(source="/cms", request_id="w-1", ordinal=6, message="Sub judice.")
DECIDED = [
    StoredHead(Slot("a-3", WHOLE_ARTICLE), NO_HEAD._replace(editorial=Editorial(at=AT)), 2),
    StoredHead(
        Slot("a-3", "hero"),
        Head(7, "/cms", "r-7", 7, 0, 5, 0, 2, (Numbered("e" * 16, 5, 2),), 1_000, Editorial(choice=CHOICE, at=AT)),
        2,
    ),
    StoredHead(Slot("a-3", "teaser"), NO_HEAD._replace(ordinal=6, editorial=Editorial(withdrawal=TAKEN_DOWN)), 2),
]


ARTICLES = {"a-1": HEADS, "a-3": DECIDED}


@pytest.fixture
def reset(monkeypatch: pytest.MonkeyPatch) -> list[StoredHead]:
    """Stand in for Kafka: articles a-1 and a-3 have heads; return the list of those reset."""
    gone: list[StoredHead] = []

    async def find(_settings: object, article: str) -> list[StoredHead]:
        return ARTICLES.get(article, [])

    async def forget(_settings: object, heads: list[StoredHead]) -> None:
        gone.extend(heads)

    monkeypatch.setattr("consumer.admin.heads.find_heads", find)
    monkeypatch.setattr("consumer.admin.heads.reset_heads", forget)
    return gone


@pytest.mark.usefixtures("reset")
def test_what_editors_decided_is_shown() -> None:
    """The table says who chose which picture, what is withdrawn and why, and names the whole article."""
    shown = CliRunner().invoke(app, ["heads", "show", "a-3"])

    assert shown.exit_code == 0
    whole, hero, teaser = (
        line for line in shown.stdout.splitlines() if line.startswith("\N{BOX DRAWINGS LIGHT VERTICAL}")
    )
    assert "all slots" in whole
    assert f"chosen: picture {'a' * 12} by ana (ordinal 4)" in hero
    assert "withdrawn (ordinal 6): Sub judice." in teaser


@pytest.mark.usefixtures("reset")
@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (CHOICE.model_copy(update={"let_go": True}), f"let go of picture {'a' * 12} by ana (ordinal 4)"),
        (
            Choice(decision=ImageChosen.model_validate({"article": {"id": "a-3", "revision": 7}, "external": True})),
            "chosen: the site's own picture",
        ),
    ],
    ids=["let-go", "external"],
)
def test_every_choice_is_named(monkeypatch: pytest.MonkeyPatch, choice: Choice, words: str) -> None:
    """One that was let go of, and one of the site's own, say so."""
    hero = StoredHead(Slot("a-3", "hero"), NO_HEAD._replace(editorial=Editorial(choice=choice)), 0)
    monkeypatch.setitem(ARTICLES, "a-3", [hero])

    assert words in CliRunner().invoke(app, ["heads", "show", "a-3"]).stdout


@pytest.mark.usefixtures("reset")
def test_a_held_request_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its rule, its revision and its time, beside a choice; as JSON with the record that it is."""
    held = Held(
        source="/cms",
        request_id="r-8",
        revision=8,
        ordinal=6,
        variation=0,
        until_ms=1_764_000_000_000,
        topic="article-image-requested",
        offset=21,
        value=b"\xff",
        headers=(("ce_id", b"r-8"),),
        rule="courts",
    )
    hero = StoredHead(Slot("a-3", "hero"), NO_HEAD._replace(editorial=Editorial(choice=CHOICE, held=held)), 0)
    monkeypatch.setitem(ARTICLES, "a-3", [hero])
    as_json = json.loads(CliRunner().invoke(app, ["heads", "show", "a-3", "--json"]).stdout)

    expected = "by ana (ordinal 4); revision 8 held by rule courts until 2025-11-24 16:00:00 UTC"
    assert expected in CliRunner().invoke(app, ["heads", "show", "a-3"]).stdout
    assert Editorial.model_validate(as_json["heads"][0]["editorial"]) == hero.head.editorial


@pytest.mark.usefixtures("reset")
def test_json_has_all_of_a_head() -> None:
    """A program reads the choice as it was published, the ordinals and the variations."""
    shown = json.loads(CliRunner().invoke(app, ["heads", "show", "a-3", "--slot", "hero", "--json"]).stdout)
    (hero,) = shown["heads"]

    assert (hero["slot"], hero["revision"], hero["ordinal"], hero["variation"]) == ("hero", 7, 5, 2)
    assert hero["accepted"] == [{"event": "e" * 16, "ordinal": 5, "variation": 2}]
    assert hero["editorial"]["choice"]["decision"]["chosen_by"] == "ana"
    assert hero["editorial"]["at"] == {"topic": "article-image-requested", "partition": 2, "offset": 17}


def test_a_reset_is_a_dry_run_by_default(reset: list[StoredHead]) -> None:
    """It says what it would forget, and how to do it."""
    done = CliRunner().invoke(app, ["heads", "reset", "a-1", "--slot", "hero"])

    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == f"would forget  hero: revision {2**40}"
    assert "add --execute" in done.stdout
    assert reset == []


def test_a_reset_with_execute_forgets(reset: list[StoredHead]) -> None:
    """Only the chosen slot's head, and nothing where there is none."""
    done = CliRunner().invoke(app, ["heads", "reset", "a-1", "--slot", "hero", "--execute"])
    nothing = CliRunner().invoke(app, ["heads", "reset", "a-2", "--execute"])

    assert done.stdout == f"forgot  hero: revision {2**40}\n"
    assert reset == HEADS[:1]
    assert "nothing to do" in nothing.stdout


def test_a_slot_without_a_revision_is_left_alone(reset: list[StoredHead]) -> None:
    """Only the slot that has a revision is reset: not the whole article's entry, nor one of a decision alone."""
    done = CliRunner().invoke(app, ["heads", "reset", "a-3", "--execute"])

    assert done.stdout == "forgot  hero: revision 7\n"
    assert reset == [DECIDED[1]]
