"""Outcomes that editors and their rules cause: what they say, and under which id."""

from __future__ import annotations

import pytest

from consumer.delivery.editorial import Choice
from consumer.delivery.heads import Slot
from consumer.delivery.in_flight import WithdrawnSlot
from consumer.delivery.ruling import Ruling, Verdict
from consumer.processing.editorial_outcomes import EditorialOutcomes, ruled
from consumer.processing.outcomes import OutcomeBuilder
from consumer.settings import Settings
from schemas import names
from schemas.cloudevents import read
from schemas.editorial import ArticleRestored, ArticleWithdrawn, ImageChosen
from tests.support.editorial import job_at, ready_of, record_of, told

OUTCOMES = EditorialOutcomes(OutcomeBuilder(Settings()))
SAVE = job_at(3, names.IMAGE_REQUESTED, brief={"prompt": "Storm"})
CHOSEN = ImageChosen.model_validate(
    {"article": {"id": "a-1", "revision": 1}, "picture": {"sha256": "a" * 64}, "alt": "Ferries.", "caption": "In port."}
)
CHOICE = Choice(decision=CHOSEN, ordinal=4)
DOWN = {"article": {"id": "a-1"}, "reason": "A court."}
WITHDRAWAL = ArticleWithdrawn.model_validate(DOWN)


@pytest.mark.parametrize(
    ("ruling", "said"),
    [
        (Ruling(Verdict.PAINT, 7), (7, False, False, False, "A draft.", None)),
        (Ruling(Verdict.OFFER, 7, choice=CHOICE), (7, False, False, True, "A draft.", None)),
        (Ruling(Verdict.KEEP, 7, choice=CHOICE), (7, True, True, False, "Ferries.", "In port.")),
        (Ruling(Verdict.CHOOSE, 7, choice=CHOICE), (7, True, False, False, "Ferries.", "In port.")),
        (
            Ruling(Verdict.CHOOSE, 7, choice=CHOICE.model_copy(update={"let_go": True})),
            (7, False, False, False, "Ferries.", "In port."),
        ),
    ],
)
def test_a_ready_outcome_says_what_was_decided(ruling: Ruling, said: tuple[object, ...]) -> None:
    """Its ordinal, and whether it is chosen, kept or offered; the editor's words go with the choice alone."""
    ready = ruled(ready_of("a"), ruling)

    assert (ready.ordinal, ready.chosen, ready.kept, ready.offers, ready.alt, ready.caption) == said


def test_a_rule_is_named_with_its_sentence_and_version() -> None:
    """The version of the file, none for a choice, of which another ordinal is another event; a draft's is not kept."""
    (first,) = told(OUTCOMES.declined(SAVE, 3, "courts", "No pictures of trials.", "newsroom-4"))
    (later,) = told(OUTCOMES.declined(SAVE, 4, "courts", "No pictures of trials.", "newsroom-4"))
    (external,) = told(OUTCOMES.external(SAVE, Ruling(Verdict.EXTERNAL, 3, choice=CHOICE)))
    (again,) = told(OUTCOMES.external(SAVE, Ruling(Verdict.EXTERNAL, 4, choice=CHOICE)))

    assert (first["kind"], first["rule"], first["message"]) == ("declined", "courts", "No pictures of trials.")
    assert (first["policy"], external["policy"]) == ("newsroom-4", None)
    assert first["event"] == later["event"]
    assert len({first["event"], external["event"], again["event"]}) == 3


def test_a_request_of_a_withdrawn_slot_has_the_withdrawals_ordinal_and_sentence() -> None:
    """Under the request's own id, so that its sender knows."""
    (outcome,) = told(OUTCOMES.withdrawn(SAVE, Ruling(Verdict.WITHDRAWN, 9, message="A court.")))

    assert (outcome["kind"], outcome["request_id"], outcome["ordinal"]) == ("withdrawn", "e-3", 9)
    assert (outcome["slot"], outcome["article"], outcome["message"]) == (
        "hero",
        {"id": "a-1", "revision": 1},
        "A court.",
    )


def test_a_withdrawal_is_announced_for_each_slot() -> None:
    """Each under an id of its own, with its slot's revision and ordinal, in one result."""
    record = record_of(names.ARTICLE_WITHDRAWN, DOWN, 8)
    event = read(record.headers, record.value)
    slots = [WithdrawnSlot(Slot("a-1", "hero"), 7, 3), WithdrawnSlot(Slot("a-1", "teaser"), 2, 3)]
    result = OUTCOMES.taken_down(event, WITHDRAWAL, record, slots)
    hero, teaser = told(result)

    assert (hero["slot"], hero["article"]["revision"], hero["ordinal"]) == ("hero", 7, 3)
    assert (teaser["slot"], teaser["article"]["revision"], teaser["message"]) == ("teaser", 2, "A court.")
    assert hero["event"] != teaser["event"]
    assert hero["request_id"] == teaser["request_id"] == "e-8"
    assert result.facts["slots"] == ["hero", "teaser"]


@pytest.mark.parametrize("slot", [None, "inline-2"])
def test_a_withdrawal_of_what_had_nothing_is_announced_all_the_same(slot: str | None) -> None:
    """Once, without a revision: whoever waits for it gets an end."""
    record = record_of(names.ARTICLE_WITHDRAWN, {**DOWN, "slot": slot}, 8)
    request = ArticleWithdrawn.model_validate({**DOWN, "slot": slot})
    (outcome,) = told(OUTCOMES.taken_down(read(record.headers, record.value), request, record, []))

    assert (outcome["slot"], outcome["article"], outcome["ordinal"]) == (slot, {"id": "a-1", "revision": None}, 0)


def test_a_restoration_announces_nothing() -> None:
    """What the slot shows is for the next request to say; the log has it."""
    record = record_of(names.ARTICLE_RESTORED, DOWN, 9)
    result = OUTCOMES.restored(read(record.headers, record.value), ArticleRestored.model_validate(DOWN), record)

    assert result.records == ()
    assert (result.facts["outcome"], result.facts["article_id"]) == ("restored", "a-1")
