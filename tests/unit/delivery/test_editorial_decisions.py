"""Editorial decisions: what takes effect in a slot, in which order, and what it does to requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from consumer.delivery.controls import NO_CONTROLS, Selector, Traits
from consumer.delivery.editorial import Choice, Position, Withdrawal
from consumer.delivery.editorial_decisions import EditorialDecisions
from consumer.delivery.heads import WHOLE_ARTICLE, Claim, Heads, Slot, read_head, write_head
from consumer.delivery.in_flight import InFlightRecord, WithdrawnSlot
from consumer.delivery.latest_wins import LatestWins
from consumer.delivery.ports import RecordResult
from consumer.delivery.ruling import UNRULED, Ruling, Verdict
from consumer.jobs import Record
from schemas.editorial import ImageChosen

HERO, INLINE = Slot("a-1", "hero"), Slot("a-1", "inline")
WITHDRAWAL = Withdrawal(source="/cms", request_id="w-1", message="A court.")
A, B = "a" * 64, "b" * 64


def choice(sha256: str = A, **parts: Any) -> Choice:
    picture = None if parts.get("external") else {"sha256": sha256}
    data = {"article": {"id": "a-1", "revision": 1}, "picture": picture, **parts}
    return Choice(decision=ImageChosen.model_validate(data), sha256=sha256, recipe=sha256[::-1])


def at(offset: int, topic: str = "requested") -> Position:
    return Position(topic=topic, partition=0, offset=offset)


class Shard:
    """One epoch of a shard in which every record is ours, unless told otherwise."""

    def __init__(self) -> None:
        self.heads = Heads("heads", "group", 0)
        self.ours = True
        self.latest_wins = LatestWins(self.heads)
        self.decisions = EditorialDecisions(self.latest_wins, lambda _: self.ours)
        self._offset = 0

    def record(self) -> InFlightRecord:
        self._offset += 1
        record = Record("requested", 0, self._offset, b"a-1", b"{}", (), 0)
        return InFlightRecord(record, 0, lambda: None, self.decisions)

    def ask(self, revision: int = 1, slot: Slot = HERO, **parts: Any) -> tuple[InFlightRecord, Ruling]:
        request = self.record()
        claim = Claim(slot, revision, "/cms", parts.pop("name", f"r-{revision}"), **parts)
        return request, request.register_claim(claim, result("superseded"), result("withdrawn"))

    def choose(self, offset: int, chosen: Choice, slot: Slot = HERO) -> Ruling:
        ruling = self.record().choose(slot, at(offset), chosen)
        assert ruling is not None
        return ruling

    def withdraw(self, offset: int, slot: str | None = None, by: Withdrawal = WITHDRAWAL) -> list[WithdrawnSlot]:
        withdrawn = self.record().withdraw_slots("a-1", slot, at(offset), by)
        assert withdrawn is not None
        return withdrawn

    def restore(self, offset: int, slot: str | None = None) -> bool | None:
        return self.record().restore_slots("a-1", slot, at(offset))


def result(outcome: str) -> Callable[[Any], RecordResult]:
    return lambda _: RecordResult((), facts={"outcome": outcome})


async def test_a_choice_is_kept_by_every_later_request() -> None:
    """Saves get it, regenerating makes offers, a re-crop of it changes it and one of another picture is an offer."""
    shard = Shard()
    shard.ask(1)
    chosen = shard.choose(10, choice())
    crop, other = choice().decision.picture, choice(B).decision.picture

    verdicts = [
        shard.ask(2)[1],
        shard.ask(2, name="again", variation=None, fresh=True)[1],
        shard.ask(2, name="crop", picture=crop)[1],
        shard.ask(2, name="other", picture=other)[1],
        shard.ask(1, name="late")[1],
    ]

    assert [each.verdict for each in verdicts] == [
        *(Verdict.KEEP, Verdict.OFFER, Verdict.CHOOSE, Verdict.OFFER, Verdict.SUPERSEDED),
    ]
    assert [each.ordinal for each in verdicts[:4]] == [3, 4, 5, 6]
    assert (chosen.verdict, chosen.ordinal) == (Verdict.CHOOSE, 2)


async def test_of_two_choices_the_later_one_on_the_topic_wins() -> None:
    """Whichever is applied first; one that is read again changes nothing and has its ordinal again."""
    shard = Shard()
    second = shard.choose(11, choice(B))
    first = shard.choose(10, choice(A))
    again = shard.choose(11, choice(B))

    assert first.verdict is Verdict.SUPERSEDED
    assert again == second
    assert shard.ask(1)[1].choice == second.choice


async def test_offsets_of_other_partitions_are_not_compared() -> None:
    """After growth an article's decisions begin at offset 0 of another partition."""
    shard = Shard()
    shard.choose(500, choice(A))
    elsewhere = Position(topic="requested", partition=7, offset=0)
    ruling = shard.record().choose(HERO, elsewhere, choice(B))

    assert ruling is not None
    assert ruling.verdict is Verdict.CHOOSE


async def test_letting_go_opens_the_slot_and_is_known_when_repeated() -> None:
    """A later letting go finds nothing."""
    shard = Shard()
    shard.choose(10, choice())
    let_go = choice().model_copy(update={"let_go": True})
    first = shard.choose(11, let_go)

    assert shard.record().chosen(HERO, at(11)) == first.choice
    assert shard.record().chosen(HERO, at(12)) is None
    assert shard.ask(2)[1].verdict is Verdict.PAINT
    assert shard.choose(11, let_go) == first


async def test_an_external_choice_declines_everything() -> None:
    """Also what an editor asks for anew: the slot is not ours."""
    shard = Shard()
    shard.choose(10, choice(external=True))

    assert shard.ask(1)[1].verdict is Verdict.EXTERNAL
    assert shard.ask(1, name="again", variation=None, fresh=True)[1].verdict is Verdict.EXTERNAL


async def test_a_withdrawal_ends_what_is_in_flight_and_all_that_comes() -> None:
    """Also a slot that nobody asked for yet; ready results that are not committed are replaced."""
    shard = Shard()
    painting, _ = shard.ask(3)
    finished, _ = shard.ask(1, INLINE)
    finished.complete(RecordResult((), facts={"outcome": "ready"}))
    withdrawn = shard.withdraw(10)
    painting.complete(RecordResult((), facts={"outcome": "ready"}))

    assert withdrawn == [WithdrawnSlot(HERO, 3, 2), WithdrawnSlot(INLINE, 1, 2)]
    for request in (painting, finished):
        assert request.result is not None
        assert request.result.facts["outcome"] == "withdrawn"
    for slot, ordinal in ((HERO, 2), (INLINE, 2), (Slot("a-1", "new"), 0)):
        ruling = shard.ask(9, slot)[1]
        assert (ruling.verdict, ruling.ordinal, ruling.message) == (Verdict.WITHDRAWN, ordinal, "A court.")
    assert shard.ask(1, Slot("a-2", "hero"))[1].verdict is Verdict.PAINT


async def test_a_withdrawal_that_is_read_again_has_its_ordinals_again() -> None:
    """The store is cleared once more; what is announced is the same event."""
    shard = Shard()
    shard.ask(3)

    assert shard.withdraw(10) == shard.withdraw(10) == [WithdrawnSlot(HERO, 3, 2)]


async def test_a_restored_article_may_have_pictures_again() -> None:
    """What is repeated counts as accepted after the withdrawal; the choice of before is gone."""
    shard = Shard()
    shard.ask(3)
    shard.choose(9, choice())
    shard.withdraw(10)
    restored = shard.restore(11)
    ruling = shard.ask(3)[1]

    assert restored
    assert (ruling.verdict, ruling.ordinal) == (Verdict.PAINT, 4)


async def test_an_old_withdrawal_is_not_applied_again_after_the_restoration() -> None:
    """As when an operator sets the group's offsets back; an old restoration opens nothing either."""
    shard = Shard()
    shard.ask(3)
    shard.withdraw(10)
    shard.restore(11)
    shard.withdraw(10)
    assert shard.ask(4)[1].verdict is Verdict.PAINT

    shard.withdraw(12)
    shard.restore(11)
    assert shard.ask(5)[1].verdict is Verdict.WITHDRAWN


async def test_a_slot_is_withdrawn_and_restored_by_itself() -> None:
    """But one of a withdrawn article only with the article."""
    shard = Shard()
    shard.ask(1)
    assert shard.withdraw(10, "hero") == [WithdrawnSlot(HERO, 1, 2)]
    assert shard.ask(1, INLINE)[1].verdict is Verdict.PAINT
    assert shard.restore(11, "hero")
    assert shard.ask(2)[1].verdict is Verdict.PAINT

    shard.withdraw(12)
    assert shard.restore(13, "hero") is False
    assert shard.ask(3)[1].verdict is Verdict.WITHDRAWN


async def test_nothing_can_be_chosen_in_a_withdrawn_article() -> None:
    """The editor restores it first."""
    shard = Shard()
    shard.withdraw(10)

    assert shard.choose(11, choice()).verdict is Verdict.WITHDRAWN


async def test_work_whose_record_was_not_read_in_this_epoch_decides_nothing() -> None:
    """It is begun anew when it is; a request goes on, and is ruled on then."""
    shard = Shard()
    shard.ours = False

    assert shard.record().choose(HERO, at(1), choice()) is None
    assert shard.record().withdraw_slots("a-1", None, at(1), WITHDRAWAL) is None
    assert shard.restore(1) is None
    request, ruling = shard.ask(1)
    assert ruling == UNRULED
    shard.ours = True
    assert not shard.latest_wins.readmit(request)
    decision = shard.record()
    decision.decides = True
    assert not shard.latest_wins.readmit(decision)


async def test_work_goes_on_in_a_new_epoch_if_it_is_ruled_on_as_before() -> None:
    """Another ordinal, or a choice, would be announced wrongly: then it is begun anew."""
    shard = Shard()
    request, _ = shard.ask(1)
    await _new_epoch(shard)
    assert shard.latest_wins.readmit(request)

    await _new_epoch(shard)
    shard.choose(10, choice())
    assert not shard.latest_wins.readmit(request)


async def _new_epoch(shard: Shard) -> None:
    shard.heads.forget()
    shard.latest_wins.begin_epoch()
    await asyncio.sleep(0)


async def test_decisions_survive_their_record() -> None:
    """What one owner committed the next one reads."""
    shard = Shard()
    shard.ask(1)
    shard.choose(
        10, choice(focal_point={"x": 0.5, "y": 0.25}, crops={"hero": {"x": 0, "y": 0, "width": 9, "height": 9}})
    )
    shard.ask(1, Slot("a-2", "hero"))
    shard.withdraw(11, "inline")
    shard.withdraw(12, by=WITHDRAWAL.model_copy(update={"message": None}))

    for slot in (HERO, INLINE, Slot("a-1", WHOLE_ARTICLE), Slot("a-2", "hero")):
        head = shard.heads.get(slot)
        assert head is not None
        assert read_head(write_head(head)) == head


async def test_a_re_crop_that_ends_after_another_choice_changes_nothing() -> None:
    """It crops what was chosen when it came: the editor's later decision stands, by whichever lane it came."""
    shard = Shard()
    shard.ask(1)
    shard.choose(10, choice(A))
    crop, ruling = shard.ask(2, name="crop", picture=choice(A).decision.picture)
    assert ruling.choice is not None
    elsewhere = Position(topic="backfill", partition=0, offset=0)
    shard.record().choose(HERO, elsewhere, choice(B))
    late = crop.choose(HERO, at(20), ruling.choice)

    assert late is not None
    assert late.verdict is Verdict.SUPERSEDED
    kept = shard.ask(3)[1].choice
    assert kept is not None
    assert kept.sha256 == B


async def test_a_withdrawal_whose_outcome_was_lost_keeps_its_ordinal_after_the_restoration() -> None:
    """The restoration was committed with another outcome; what was shown before must not come back."""
    shard = Shard()
    shard.ask(1)
    (first,) = shard.withdraw(10, "hero")
    shard.restore(11, "hero")

    assert shard.withdraw(10, "hero") == [replace(first, late=True)]
    assert shard.ask(2)[1].verdict is Verdict.PAINT


async def test_an_old_withdrawal_of_an_article_leaves_a_slot_alone_that_is_newer() -> None:
    """As when offsets are set back: nobody had heard of the slot when the article was withdrawn and restored."""
    shard = Shard()
    shard.ask(1)
    shard.withdraw(10)
    shard.restore(11)
    shard.ask(1, INLINE)

    assert [each.late for each in shard.withdraw(10)] == [True, True]
    assert shard.ask(2, INLINE)[1].verdict is Verdict.PAINT


async def test_only_what_was_published_before_a_pause_is_finished() -> None:
    """An idle owner learns of a pause with its next request, which may be done by then: it waits all the same."""
    shard = Shard()
    shard.heads.controls = NO_CONTROLS.pause(Selector(section="sports"), 1_000)
    sports = Traits("requested", 1, "requested", section="sports", source="/cms", replay=None)
    verdicts = []
    for time_ms in (999, 1_001):
        request = shard.record()
        request.complete(RecordResult(()))
        claim = Claim(HERO, 1, "/cms", "save", time_ms=time_ms, traits=sports)
        verdicts.append(request.register_claim(claim, result("superseded")).verdict)

    assert verdicts == [Verdict.PAINT, Verdict.PAUSED]


async def test_what_is_called_off_ends_although_it_is_paused_or_withdrawn_too() -> None:
    """A paused lane is emptied by calling it off; its requests need not be resumed first."""
    shard = Shard()
    shard.withdraw(1, "hero")
    sports = Selector(section="sports")
    shard.heads.controls = NO_CONTROLS.pause(sports, 1).cancel(sports, {"requested": 5}, 2)
    traits = [
        Traits("requested", offset, "requested", section="Sports", source="/cms", replay=None) for offset in (4, 5)
    ]
    rulings = [shard.ask(1, slot, time_ms=3, traits=each)[1] for slot in (HERO, INLINE) for each in traits]

    assert [ruling.verdict for ruling in rulings] == [
        Verdict.CANCELLED,
        Verdict.WITHDRAWN,
        Verdict.CANCELLED,
        Verdict.PAUSED,
    ]
