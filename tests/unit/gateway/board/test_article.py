"""`consumer.gateway.board.article`: what an editor sees of an article and its slots."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import names
from tests.support.board import SOURCE, Topics, board_of, decision, pictures, save


def article_of(topics: Topics, article_id: str = "a-1") -> Any:
    return board_of(topics.records).article(article_id)


def hero(topics: Topics) -> dict[str, Any]:
    found: dict[str, Any] = article_of(topics).slot("hero")
    return found


def painted(revision: int = 1, ordinal: int = 1) -> Topics:
    """Return topics with a save that was painted."""
    topics = Topics()
    topics.ask("r-1", save(revision=revision))
    topics.announce("ready", "r-1", revision=revision, ordinal=ordinal, pictures=pictures("p-1"), alt="A storm.")
    return topics


def test_a_newer_request_is_painted_beside_the_shown_picture() -> None:
    """The slot's state is that of the request that is awaited; its picture is still the one before."""
    topics = painted()
    topics.ask("r-2", save(revision=2))
    queued = hero(topics)
    topics.announce("progress", "r-2", stage="step", step=1, of=8, index=0)
    painting = hero(topics)
    assert (queued["state"], queued["latest"]["id"], queued["picture"]["sha256"]) == ("queued", "r-2", "p-1")
    assert (painting["state"], painting["latest"]["progress"][0]["step"]) == ("painting", 1)
    assert (painting["picture"]["sha256"], painting["picture"]["alt"]) == ("p-1", "A storm.")


def test_a_request_that_is_awaited_counts_before_a_newer_answered_one() -> None:
    """A choice is answered at once; the save before it is still being painted, and the editor is to know."""
    topics = Topics()
    topics.ask("r-1", save())
    topics.ask("c-1", decision(picture={"sha256": "0" * 64}), type=names.IMAGE_CHOSEN)
    topics.announce("ready", "c-1", ordinal=2, chosen=True, pictures=pictures("p-9"))
    shown = hero(topics)
    assert (shown["state"], shown["latest"]["id"], shown["chosen"]) == ("queued", "r-1", True)


def test_a_superseded_request_says_nothing_of_its_slot() -> None:
    """A late save of an older revision loses: the slot stands as the newer one left it."""
    topics = painted(revision=5)
    topics.ask("r-0", save(revision=3))
    topics.announce("superseded", "r-0", revision=3, superseded_by={"revision": 5})
    shown = hero(topics)
    assert (shown["state"], shown["latest"]["id"], shown["revision"]) == ("ready", "r-1", 5)


def test_a_failed_save_is_told_beside_the_picture_of_before() -> None:
    """The newest save failed: the editor sees that, and what readers still see."""
    topics = painted()
    topics.ask("r-2", save(revision=2))
    topics.announce("failed", "r-2", revision=2, reason="engine_failed", message="It broke.")
    shown = hero(topics)
    assert (shown["state"], shown["picture"]["sha256"]) == ("failed", "p-1")


def test_a_held_request_is_what_the_slot_waits_for() -> None:
    """It is listed as held until it is approved and answered; the approval has no outcome of its own."""
    topics = painted()
    topics.ask("r-2", save(revision=2))
    topics.announce("held", "r-2", revision=2, rule="drafts", message="Wait.")
    held = hero(topics)
    topics.ask("ok", {**decision(), "article": {"id": "a-1", "revision": 2}}, type=names.IMAGE_APPROVED)
    approved = hero(topics)
    topics.announce("ready", "r-2", revision=2, ordinal=2, pictures=pictures("p-2"))
    ready = hero(topics)
    assert (held["state"], [image["id"] for image in held["held"]]) == ("held", ["r-2"])
    assert approved["state"] == "held"
    newest = approved["history"][0]
    assert (newest["id"], newest["state"], newest["final"]) == ("ok", "approved", False)
    assert (ready["history"][0]["state"], ready["history"][0]["final"]) == ("approved", True)
    assert (ready["state"], ready["held"], ready["latest"]["id"]) == ("ready", [], "r-2")


@pytest.mark.parametrize("approved", [{"revision": 1}, {"revision": 2, "slot": "teaser"}, {"revision": 2}])
def test_an_approval_is_not_carried_out_by_another_request(approved: dict[str, Any]) -> None:
    """What was held in another slot, of another revision, or ended before the approval, says nothing of it."""
    topics = painted()
    topics.ask("r-2", save(revision=2))
    topics.announce("held", "r-2", revision=2, rule="drafts", message="Wait.")
    topics.announce("expired", "r-2", revision=2)
    body = {"article": {"id": "a-1", "revision": approved["revision"]}, "slot": approved.get("slot", "hero")}
    topics.ask("ok", body, type=names.IMAGE_APPROVED)
    assert article_of(topics).images["ok"].is_final is False


def test_an_approval_that_was_refused_says_so() -> None:
    """Nothing was held: the approval's own outcome is its state."""
    topics = painted()
    topics.ask("ok", decision(), type=names.IMAGE_APPROVED)
    assert hero(topics)["history"][0]["final"] is False
    topics.announce("failed", "ok", reason="nothing_held", message="Nothing is held.")
    assert (hero(topics)["history"][0]["state"], hero(topics)["history"][0]["final"]) == ("failed", True)
    assert hero(topics)["state"] == "ready"


def test_a_withdrawal_of_an_article_has_an_outcome_for_each_slot() -> None:
    """Each slot is withdrawn by its own; the history of each has the withdrawal."""
    topics = painted()
    topics.ask("r-2", save(slot="teaser"))
    topics.announce("ready", "r-2", slot="teaser", ordinal=1, pictures=pictures("p-2"))
    topics.ask("w-1", decision(slot=None), type=names.ARTICLE_WITHDRAWN)
    asked = article_of(topics)
    assert [slot["state"] for slot in asked.summary()["slots"]] == ["queued", "queued"]
    topics.announce("withdrawn", "w-1", slot="hero", ordinal=2, message="Hero.")
    topics.announce("withdrawn", "w-1", slot="teaser", ordinal=2, message="Teaser.")
    slots = article_of(topics).summary()["slots"]
    assert [(slot["slot"], slot["state"], slot["picture"]) for slot in slots] == [
        ("hero", "withdrawn", None),
        ("teaser", "withdrawn", None),
    ]
    assert [slot["latest"]["outcome"]["message"] for slot in slots] == ["Hero.", "Teaser."]
    assert article_of(topics).slot("teaser")["history"][0]["id"] == "w-1"


def test_a_restoration_is_the_state_until_the_next_save() -> None:
    """It has no outcome: the slot is open again, and shows nothing."""
    topics = painted()
    topics.ask("w-1", decision(), type=names.ARTICLE_WITHDRAWN)
    topics.announce("withdrawn", "w-1", ordinal=2)
    topics.ask("o-1", decision(slot=None), type=names.ARTICLE_RESTORED)
    shown = hero(topics)
    assert (shown["state"], shown["latest"]["final"], shown["picture"]) == ("restored", True, None)
    topics.ask("r-2", save(revision=2))
    assert hero(topics)["state"] == "queued"


@pytest.mark.parametrize("slot", ["hero", None])
def test_a_restoration_of_what_was_not_withdrawn_changes_nothing(slot: str | None) -> None:
    """The slot stands as it did, also where it was withdrawn and opened long before."""
    topics = painted()
    topics.ask("o-1", decision(slot=slot), type=names.ARTICLE_RESTORED)
    never = hero(topics)
    topics.ask("w-1", decision(), type=names.ARTICLE_WITHDRAWN)
    topics.announce("withdrawn", "w-1", ordinal=2)
    topics.ask("o-2", decision(), type=names.ARTICLE_RESTORED)
    opened = hero(topics)
    topics.ask("r-2", save(revision=2))
    topics.announce("ready", "r-2", revision=2, ordinal=3, pictures=pictures("p-2"))
    topics.ask("o-3", decision(slot=slot), type=names.ARTICLE_RESTORED)
    again = hero(topics)
    assert [(each["state"], each["latest"]["id"]) for each in (never, opened, again)] == [
        ("ready", "r-1"),
        ("restored", "o-2"),
        ("ready", "r-2"),
    ]
    assert again["history"][0]["state"] == "restored"


def test_a_slot_is_opened_whatever_was_refused_meanwhile() -> None:
    """A save to a withdrawn slot fails; the restoration after it tells all the same, and a second one nothing more."""
    topics = painted()
    topics.ask("w-1", decision(), type=names.ARTICLE_WITHDRAWN)
    topics.announce("withdrawn", "w-1", ordinal=2)
    topics.ask("r-2", save(revision=2))
    topics.announce("failed", "r-2", revision=2, reason="withdrawn", message="It is withdrawn.")
    topics.ask("o-1", decision(), type=names.ARTICLE_RESTORED)
    topics.ask("o-2", decision(), type=names.ARTICLE_RESTORED)
    assert (hero(topics)["state"], hero(topics)["latest"]["id"]) == ("restored", "o-1")


def test_what_names_no_slot_stands_in_none() -> None:
    """A request whose slot is invalid fails, and is in the history of no slot."""
    topics = painted()
    topics.ask("bad", {**save(revision=2), "output": {"slot": "no slot!"}})
    topics.announce("failed", "bad", slot=None, reason="invalid_value")
    found = article_of(topics)
    assert found.slots == ["hero"]
    assert [image["id"] for image in found.slot("hero")["history"]] == ["r-1"]
    assert "bad" in found.images


def test_the_article_belongs_to_who_asked_first() -> None:
    """Another source's request does not take it over, whatever is read first."""
    topics = Topics()
    topics.ask("r-1", save(), topic=names.BACKFILL)
    topics.ask("r-2", save(revision=2, section="Other"), source="/cms/other")
    for records in (topics.records, topics.records[::-1]):
        found = board_of(records).article("a-1")
        assert found is not None
        assert found.source == SOURCE


def test_the_facts_are_those_of_the_highest_revision() -> None:
    """A late backfill of an older revision does not bring an old headline back."""
    topics = Topics()
    topics.ask("r-3", save(revision=3, headline="New", section="News"))
    topics.ask("r-2", save(revision=2, headline="Old", status="draft"))
    assert {name: article_of(topics).summary()[name] for name in ("headline", "section", "status", "revision")} == {
        "headline": "New",
        "section": "News",
        "status": "draft",
        "revision": 3,
    }


def test_answers_are_worked_out_once() -> None:
    """The JSON of an article is kept until something about it changes."""
    topics = painted()
    board = board_of(topics.records)
    article = board.article("a-1")
    assert article is not None
    assert article.summary_json is article.summary_json
    before = article.summary_json
    board.take(topics.ask("r-2", save(revision=2)))
    assert article.summary_json != before


@pytest.mark.parametrize("shows", [{}, {"pictures": None}, {"pictures": []}])
def test_a_ready_outcome_without_pictures_has_no_card(shows: dict[str, Any]) -> None:
    """An announcement of another program may leave them out."""
    topics = Topics()
    topics.ask("r-1", save())
    topics.announce("ready", "r-1", ordinal=1, **shows)
    assert hero(topics)["picture"] is None
