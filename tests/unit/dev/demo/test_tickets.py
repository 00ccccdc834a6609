from __future__ import annotations

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.tickets import EditionDesk
from consumer.jobs import Record
from consumer.processing.styles import Styles
from schemas import names
from tests.unit.dev.demo.conftest import answers_to


def _stray(topic: str) -> Record:
    return Record(topic, 0, 1, b"a-1", b"nonsense", (), 0)


def test_a_second_save_waits_for_the_first_ones_outcome(styles: Styles) -> None:
    """Only the first save of each article is due at first; the next one is when the outcome has come."""
    desk = EditionDesk(load_edition())
    first = desk.due()
    for ticket in first:
        ticket.published = 1.0

    assert [ticket.save.key for ticket in first] == list(dict.fromkeys(save.key for save in load_edition()))
    assert desk.due() == []

    before, after = (ticket for ticket in desk.tickets if ticket.save.key == "a-1050")
    desk.take(answers_to(before.save, styles)[0])
    assert desk.due() == [after]


def test_it_waits_until_every_save_is_answered(desk: EditionDesk) -> None:
    """A desk waits while one save has no outcome, and no longer."""
    assert not desk.waiting
    desk.tickets[3].outcomes.clear()
    assert desk.waiting


def test_a_failure_has_its_dead_letter(desk: EditionDesk) -> None:
    """Outcome and dead letter of a bad request come to the same ticket."""
    (bad,) = [ticket for ticket in desk.tickets if ticket.failed]

    assert bad.outcome == "failed"
    assert len(bad.dead_letters) == 1
    assert bad.dead_letters[0].topic == names.DEAD_LETTER


def test_what_answers_no_save_is_a_stray(desk: EditionDesk, styles: Styles) -> None:
    """Outcomes of other requests, and records that are no events, are kept apart."""
    other = load_edition("-other")[0]

    assert desk.take(answers_to(other, styles)[0]) is None
    assert desk.take(_stray(names.OUTCOME)) is None
    assert len(desk.strays) == 2


def test_a_second_outcome_is_kept_and_the_first_ones_time_stays(desk: EditionDesk, styles: Styles) -> None:
    """A double is never overlooked."""
    ticket = desk.tickets[0]
    desk.take(answers_to(ticket.save, styles)[0])

    assert len(ticket.outcomes) == 2
    assert ticket.seconds == 1.25
