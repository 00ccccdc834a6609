"""Choices: what is announced of them, and what the slot remembers, whatever came in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from consumer.delivery.editorial import Choice, Withdrawal
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.ports import RecordResult
from consumer.delivery.ruling import Verdict
from consumer.errors import Rejected, Superseded
from consumer.jobs import Job
from consumer.processing.choosing import Choosing
from consumer.processing.failure_policy import Answer, Decision
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.reading import claim_of
from consumer.settings import Settings
from schemas import ImageReady, Reason, names
from schemas.editorial import ImageChosen
from tests.support.editorial import HERO, PICTURES, DecidingShard, at, chosen, ended, job_at, ready_of, record_of, told

OUTCOMES = OutcomeBuilder(Settings())
LOST = Answer(Rejected(Reason.UNKNOWN_PICTURE, "The store has no such picture."))
WITHDRAWAL = Withdrawal(source="/cms", request_id="w-1", message="A court.")
POINT = {"x": 0.25, "y": 0.5}

Produce = Callable[[ImageChosen], Awaitable[ImageReady | Decision]]


class Desk:
    """An editor's desk at one shard. `asked` are the choices whose pictures were looked for."""

    def __init__(self) -> None:
        self.shard = DecidingShard()
        self.choosing = Choosing(OUTCOMES)
        self.asked: list[ImageChosen] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.found: ImageReady | Decision = ready_of("a")

    async def produce(self, choice: ImageChosen) -> ImageReady | Decision:
        self.asked.append(choice)
        self.meanwhile()
        return self.found

    async def choose(self, job: Job) -> dict[str, Any]:
        """Apply a choice and return its outcome."""
        (outcome,) = told(await self.result(job))
        return outcome

    async def result(self, job: Job) -> RecordResult:
        end = await self.choosing.choose(
            self.shard.in_flight(job.record), job, at(job), produce=self.produce, finish=self.finish(job)
        )
        assert isinstance(end, RecordResult)
        return end

    def finish(self, job: Job) -> Callable[[ImageReady], RecordResult]:
        return lambda ready: OUTCOMES.ready(job, ready, {})

    def crop(self, job: Job, meanwhile: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Admit a re-crop, let something happen, then finish it."""
        in_flight: InFlightRecord = self.shard.in_flight(job.record)
        assert in_flight.register_claim(claim_of(job), ended, ended).verdict is Verdict.CHOOSE
        meanwhile()
        (outcome,) = told(self.choosing.crop(in_flight, job, at(job), ready_of("a"), self.finish(job)))
        return outcome

    def choose_at_once(self, job: Job) -> None:
        """Apply another choice without looking for its picture."""
        assert isinstance(job.request, ImageChosen)
        sha256, recipe = PICTURES["b"]
        choice = Choice(decision=job.request, sha256=sha256, recipe=recipe)
        assert self.shard.in_flight(job.record).choose(HERO, at(job), choice)


async def test_a_chosen_picture_is_announced_and_kept() -> None:
    """With the editor's words in place of the draft; from then on a save gets it, by either of its digests."""
    desk = Desk()
    outcome = await desk.choose(chosen(1, "a", alt="Ferries.", caption="In port."))
    kept = desk.shard.save(2)

    assert (outcome["kind"], outcome["chosen"], outcome["kept"], outcome["offers"]) == ("ready", True, False, False)
    assert (outcome["alt"], outcome["caption"], outcome["ordinal"]) == ("Ferries.", "In port.", 1)
    assert kept.verdict is Verdict.KEEP
    assert kept.choice is not None
    assert (kept.choice.sha256, kept.choice.recipe) == PICTURES["a"]
    assert kept.choice.decision.picture is not None
    assert kept.choice.decision.picture.recipe == PICTURES["a"][1], "an archive that is not indexed has it by recipe"


async def test_a_choice_without_words_keeps_the_draft() -> None:
    """The text alternative is the picture's, and there is no caption."""
    outcome = await Desk().choose(chosen(1, "a"))

    assert (outcome["alt"], outcome["caption"]) == ("A draft.", None)


async def test_the_same_picture_chosen_again_keeps_its_words() -> None:
    """Where the new choice has none; each is the editor's own, and an empty one takes the earlier one back."""
    desk = Desk()
    await desk.choose(chosen(1, "a", alt="Ferries.", caption="In port."))
    again = await desk.choose(chosen(2, "a"))
    cropped = await desk.choose(chosen(3, "a", alt=None, caption="At sea.", focal_point=POINT))
    cleared = await desk.choose(chosen(4, "a", alt="", caption=" "))
    after = await desk.choose(chosen(5, "a"))

    outcomes = [(one["alt"], one["caption"]) for one in (again, cropped, cleared, after)]
    assert outcomes == [("Ferries.", "In port."), ("Ferries.", "At sea."), ("A draft.", None), ("A draft.", None)]


async def test_another_picture_has_no_earlier_ones_words() -> None:
    """Nor has the same one after it was let go of, or another was chosen in between."""
    desk = Desk()
    await desk.choose(chosen(1, "a", alt="Ferries.", caption="In port."))
    desk.found = ready_of("b")
    other = await desk.choose(chosen(2, "b"))
    desk.found = ready_of("a")
    back = await desk.choose(chosen(3, "a", caption="In port."))
    await desk.choose(chosen(4, None))
    let_go = await desk.choose(chosen(5, "a"))

    assert [(one["alt"], one["caption"]) for one in (other, back, let_go)] == [
        ("A draft.", None),
        ("A draft.", "In port."),
        ("A draft.", None),
    ]


async def test_an_unknown_picture_changes_nothing() -> None:
    """Its failure is the answer; the slot keeps what it had."""
    desk = Desk()
    await desk.choose(chosen(1, "a"))
    desk.found = LOST
    job = chosen(2, "b")
    end = await desk.choosing.choose(
        desk.shard.in_flight(job.record), job, at(job), produce=desk.produce, finish=desk.finish(job)
    )
    kept = desk.shard.save(2)

    assert end is LOST
    assert kept.choice is not None
    assert kept.choice.sha256 == PICTURES["a"][0]


async def test_a_picture_of_the_sites_own_is_declined_without_a_look_at_the_store() -> None:
    """By its rule; requests after it, too."""
    desk = Desk()
    outcome = await desk.choose(chosen(1, None, external=True))

    assert (outcome["kind"], outcome["rule"], outcome["ordinal"]) == ("declined", "external_choice", 1)
    assert desk.asked == []
    assert desk.shard.save(2).verdict is Verdict.EXTERNAL


async def test_letting_go_announces_the_same_picture_as_not_chosen() -> None:
    """It is looked for by the choice that was made, crops and all; then saves are painted again."""
    desk = Desk()
    await desk.choose(chosen(1, "a", focal_point=POINT, caption="In port."))
    outcome = await desk.choose(chosen(2, None))

    assert (outcome["kind"], outcome["chosen"], outcome["ordinal"]) == ("ready", False, 2)
    assert outcome["pictures"][0]["sha256"] == PICTURES["a"][0]
    assert desk.asked[1].focal_point == desk.asked[0].focal_point is not None
    assert desk.shard.save(2).verdict is Verdict.PAINT


async def test_letting_go_that_is_read_again_has_its_outcome_again() -> None:
    """The choice it let go of is remembered for it: the same event under the same ordinal."""
    desk = Desk()
    await desk.choose(chosen(1, "a"))
    first = await desk.choose(chosen(2, None))
    desk.shard.save(2)

    assert await desk.choose(chosen(2, None)) == first


async def test_letting_go_of_the_sites_own_picture_is_declined_for_the_last_time() -> None:
    """Its sentence says that the slot is open; the next save is painted."""
    desk = Desk()
    await desk.choose(chosen(1, None, external=True))
    outcome = await desk.choose(chosen(2, None))

    assert (outcome["rule"], outcome["ordinal"]) == ("external_choice", 2)
    assert "open" in outcome["message"]
    assert desk.shard.save(2).verdict is Verdict.PAINT


async def test_letting_go_of_a_picture_that_is_lost_opens_the_slot() -> None:
    """The answer is its failure, but the choice must not stay for ever."""
    desk = Desk()
    await desk.choose(chosen(1, "a"))
    desk.found = LOST
    job = chosen(2, None)
    end = await desk.choosing.choose(
        desk.shard.in_flight(job.record), job, at(job), produce=desk.produce, finish=desk.finish(job)
    )

    assert end is LOST
    assert desk.shard.save(2).verdict is Verdict.PAINT


async def test_letting_go_of_nothing_is_refused() -> None:
    """Also a second time, and of what a withdrawal took."""
    desk = Desk()
    await desk.choose(chosen(1, "a"))
    await desk.choose(chosen(2, None))
    with pytest.raises(Rejected) as refused:
        await desk.choose(chosen(3, None))

    assert (refused.value.reason, refused.value.field) == (Reason.NOTHING_CHOSEN, "picture")


async def test_of_two_choices_the_later_one_on_the_topic_stays() -> None:
    """One whose picture is found only when a later one holds is superseded, by the revision of that one."""
    desk = Desk()
    later = chosen(5, "b", article={"id": "a-1", "revision": 7})
    desk.meanwhile = lambda: desk.choose_at_once(later)
    outcome = await desk.choose(chosen(4, "a"))
    kept = desk.shard.save(8)

    assert (outcome["kind"], outcome["superseded_by"]) == ("superseded", {"revision": 7})
    assert kept.choice is not None
    assert kept.choice.sha256 == PICTURES["b"][0]


async def test_a_choice_superseded_by_a_withdrawal_and_a_restoration_names_its_own_revision() -> None:
    """There is no later choice whose revision could be named."""
    desk = Desk()
    after = desk.shard.in_flight(record_of(names.ARTICLE_RESTORED, {}, 6))
    before = desk.shard.in_flight(record_of(names.ARTICLE_WITHDRAWN, {}, 2))

    def meanwhile() -> None:
        before.withdraw_slots("a-1", "hero", at(chosen(2, None)), WITHDRAWAL)
        after.restore_slots("a-1", None, at(chosen(6, None)))

    desk.meanwhile = meanwhile
    outcome = await desk.choose(chosen(4, "a"))

    assert (outcome["kind"], outcome["superseded_by"]) == ("superseded", {"revision": 1})


async def test_nothing_is_looked_for_in_a_withdrawn_article() -> None:
    """A choice there is refused at once: the store takes nothing for it."""
    desk = Desk()
    withdrawal = desk.shard.in_flight(record_of(names.ARTICLE_WITHDRAWN, {}, 2))
    withdrawal.withdraw_slots("a-1", "hero", at(chosen(2, None)), WITHDRAWAL)

    with pytest.raises(Rejected, match="restore it before") as refused:
        await desk.choose(chosen(4, "a"))
    assert refused.value.reason is Reason.WITHDRAWN
    assert desk.asked == []


async def test_nothing_is_chosen_in_an_article_that_was_withdrawn_meanwhile() -> None:
    """Though the picture was found: it is refused, and the withdrawal stays."""
    desk = Desk()
    withdrawal = desk.shard.in_flight(record_of(names.ARTICLE_WITHDRAWN, {}, 2))
    desk.meanwhile = lambda: withdrawal.withdraw_slots("a-1", None, at(chosen(2, None)), WITHDRAWAL)
    with pytest.raises(Rejected) as refused:
        await desk.choose(chosen(1, "a"))

    assert refused.value.reason is Reason.WITHDRAWN
    assert desk.shard.save(2).verdict is Verdict.WITHDRAWN


async def test_a_choice_of_another_epoch_is_handed_back() -> None:
    """Its record was not read in this one: it decides nothing."""
    desk = Desk()
    desk.shard.ours = False
    with pytest.raises(Superseded):
        await desk.choose(chosen(1, "a"))

    desk.shard.ours = True
    assert desk.shard.save(2).verdict is Verdict.PAINT


async def test_a_re_crop_of_the_choice_changes_it() -> None:
    """The later save is cropped the same; the editor's words stay."""
    desk = Desk()
    await desk.choose(chosen(1, "a", caption="In port."))
    sha256 = PICTURES["a"][0]
    cropped = desk.crop(job_at(2, names.IMAGE_RECROP_REQUESTED, picture={"sha256": sha256}, focal_point=POINT))
    kept = desk.shard.save(2)

    assert (cropped["chosen"], cropped["kept"], cropped["caption"]) == (True, False, "In port.")
    assert kept.choice is not None
    assert kept.choice.decision.focal_point is not None
    assert kept.choice.decision.focal_point.model_dump() == POINT
    assert kept.choice.ordinal == cropped["ordinal"] > 1


async def test_a_re_crop_of_the_choice_yields_to_a_later_choice() -> None:
    """Made before it and finished after it, its crops are not the slot's, and the later choice is kept."""
    desk = Desk()
    await desk.choose(chosen(1, "a"))
    later = chosen(3, "b", article={"id": "a-1", "revision": 4})
    sha256 = PICTURES["a"][0]
    recrop = job_at(2, names.IMAGE_RECROP_REQUESTED, picture={"sha256": sha256}, focal_point=POINT)
    cropped = desk.crop(recrop, lambda: desk.choose_at_once(later))
    kept = desk.shard.save(5)

    assert (cropped["kind"], cropped["superseded_by"]) == ("superseded", {"revision": 4})
    assert kept.choice is not None
    assert kept.choice.sha256 == PICTURES["b"][0]


async def test_only_choices_are_chosen_and_only_re_crops_crop() -> None:
    """Anything else is a defect of ours."""
    desk = Desk()
    save = job_at(1, names.IMAGE_REQUESTED, brief={"prompt": "Storm"})
    in_flight = desk.shard.in_flight(save.record)
    with pytest.raises(TypeError):
        await desk.choosing.choose(in_flight, save, at(save), produce=desk.produce, finish=desk.finish(save))
    with pytest.raises(TypeError):
        desk.choosing.crop(in_flight, save, at(save), ready_of("a"), desk.finish(save))
