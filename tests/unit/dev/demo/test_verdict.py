from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.tickets import EditionDesk, SaveTicket
from consumer.dev.demo.verdict import judge, problems_of, recipes_of
from consumer.jobs import Record
from consumer.processing.styles import Styles, WantedAdapter
from schemas import names
from tests.unit.dev.demo.conftest import answers_to


def tampered(ticket: SaveTicket, **data: Any) -> None:
    outcome = ticket.outcomes[0]
    assert isinstance(outcome.data, dict)
    ticket.outcomes[0] = replace(outcome, data={**outcome.data, **data})


def _with_picture(ticket: SaveTicket, **fields: Any) -> None:
    assert ticket.ready
    first, *rest = ticket.ready.model_dump(mode="json")["pictures"]
    tampered(ticket, pictures=[{**first, **fields}, *rest])


def _doubled(ticket: SaveTicket) -> None:
    ticket.outcomes.append(ticket.outcomes[0])


def _missing(ticket: SaveTicket) -> None:
    ticket.outcomes.clear()


def _superseded(ticket: SaveTicket) -> None:
    ticket.outcomes[0] = replace(ticket.outcomes[0], type=names.IMAGE_SUPERSEDED)


def _of_another_article(ticket: SaveTicket) -> None:
    tampered(ticket, article={"id": "a-9", "revision": 1})


def _with_an_unknown_field(ticket: SaveTicket) -> None:
    tampered(ticket, surprise=1)


def _reused(ticket: SaveTicket) -> None:
    tampered(ticket, reused=True)


def _of_another_seed(ticket: SaveTicket) -> None:
    _with_picture(ticket, seed=4)


def _of_another_recipe(ticket: SaveTicket) -> None:
    _with_picture(ticket, recipe="0" * 64)


def _with_an_adapter(ticket: SaveTicket) -> None:
    assert ticket.ready
    model = ticket.ready.model_dump(mode="json")["model"]
    tampered(ticket, model={**model, "adapters": [{"name": "grain", "sha256": "0" * 64, "scale": 1.0}]})


def _one_picture_short(ticket: SaveTicket) -> None:
    assert ticket.ready
    tampered(ticket, pictures=ticket.ready.model_dump(mode="json")["pictures"][:-1])


def _not_fetched(ticket: SaveTicket) -> None:
    del ticket.downloads[-1]


def _fetched_with_a_problem(ticket: SaveTicket) -> None:
    ticket.downloads[0] = replace(ticket.downloads[0], problems=("picture 0: sha256 is another",))


def _without_renditions(ticket: SaveTicket) -> None:
    first, *rest = ticket.downloads
    bare = first.picture.model_copy(update={"renditions": ()})
    ticket.downloads = [replace(first, picture=bare, renditions=()), *rest]


def _with_a_lost_rendition(ticket: SaveTicket) -> None:
    ticket.downloads[0] = replace(ticket.downloads[0], renditions=())


def _undisclosed(ticket: SaveTicket) -> None:
    tampered(ticket, disclosure=None)


def _with_a_dead_letter(ticket: SaveTicket) -> None:
    ticket.dead_letters.append(Record(names.DEAD_LETTER, 0, 0, b"", b"", (), 0))


def test_an_edition_answered_right_is_good(desk: EditionDesk, styles: Styles) -> None:
    """Nothing is found where nothing is wrong."""
    verdict = judge(desk, styles, alone=True)

    assert verdict.is_good
    assert verdict.good_saves == len(desk.tickets)


def test_a_style_with_adapters_is_judged_by_what_was_announced(styles: Styles) -> None:
    """The recipes of a style with a LoRA are worked out with the digest of the event, and the strength of the style."""
    house = Styles(
        {name: replace(style, adapters=(WantedAdapter("grain", 0.5),)) for name, style in styles.presets.items()}
    )
    desk = EditionDesk(load_edition())
    ticket = desk.tickets[0]
    for record in answers_to(ticket.save, house, {"grain": "a" * 64}):
        desk.take(record)
    ready = ticket.ready
    assert ready

    assert [recipe.digest for recipe in recipes_of(ticket, ready, house)] == [made.recipe for made in ready.pictures]
    assert not [problem for problem in problems_of(ticket, house) if "recipes" in problem or "adapters" in problem]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_missing, "no outcome"),
        (_doubled, "2 outcomes"),
        (_superseded, "superseded instead of ready"),
        (_of_another_article, "announced for a-9"),
        (_with_an_unknown_field, "break the contract"),
        (_reused, "reused is True"),
        (_of_another_seed, "do not match the request's recipes"),
        (_of_another_recipe, "do not match the request's recipes"),
        (_with_an_adapter, "adapters are not those of the style"),
        (_one_picture_short, "3 pictures instead of 4"),
        (_not_fetched, "some pictures were not fetched"),
        (_fetched_with_a_problem, "sha256 is another"),
        (_without_renditions, "picture 0 has no thumb"),
        (_with_a_lost_rendition, "some renditions of picture 0 were not fetched"),
        (_undisclosed, "does not say how to disclose"),
        (_with_a_dead_letter, "1 dead letters instead of 0"),
    ],
)
def test_whatever_is_wrong_with_a_ready_save_fails_the_demo(
    desk: EditionDesk, styles: Styles, spoil: Callable[[SaveTicket], None], problem: str
) -> None:
    """One wrong thing about one save is found, named, and makes the verdict bad; the other saves stay good."""
    lead = desk.tickets[0]
    spoil(lead)
    verdict = judge(desk, styles, alone=True)

    assert not verdict.is_good
    assert problem in " ".join(verdict.saves[lead.save.event.id])
    assert verdict.good_saves == len(desk.tickets) - 1


def test_a_picture_alone_has_every_shape(desk: EditionDesk, styles: Styles) -> None:
    """A save of one picture gets the full set; what lacks is named."""
    ticket = desk.tickets[1]
    (download,) = ticket.downloads
    thumbs = tuple(file for file in download.picture.renditions if file.set == "thumb")
    bare = download.picture.model_copy(update={"renditions": thumbs})
    ticket.downloads = [replace(download, picture=bare, renditions=download.renditions[:1])]

    assert problems_of(ticket, styles) == ["picture 0 has no hero, landscape, social, square"]


def _for_another_reason(ticket: SaveTicket) -> None:
    tampered(ticket, reason="too_large")


def _on_another_field(ticket: SaveTicket) -> None:
    tampered(ticket, field="output.height")


def _without_a_letter(ticket: SaveTicket) -> None:
    ticket.dead_letters.clear()


def _with_a_changed_letter(ticket: SaveTicket) -> None:
    ticket.dead_letters[0] = replace(ticket.dead_letters[0], value=b"{}")


def _with_a_letter_of_another_reason(ticket: SaveTicket) -> None:
    headers = dict(ticket.dead_letters[0].headers) | {"leadart-reason": b"internal"}
    ticket.dead_letters[0] = replace(ticket.dead_letters[0], headers=tuple(headers.items()))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_for_another_reason, "too_large on output.width instead of invalid_field"),
        (_on_another_field, "invalid_field on output.height instead of"),
        (_without_a_letter, "0 dead letters instead of 1"),
        (_with_a_changed_letter, "not the request as it was sent"),
        (_with_a_letter_of_another_reason, "does not say invalid_field"),
    ],
)
def test_whatever_is_wrong_with_the_failed_save_fails_the_demo(
    desk: EditionDesk, styles: Styles, spoil: Callable[[SaveTicket], None], problem: str
) -> None:
    """Reason, field and the untouched dead letter are all part of the outcome it should get."""
    (bad,) = [ticket for ticket in desk.tickets if ticket.failed]
    spoil(bad)
    verdict = judge(desk, styles, alone=True)

    assert problem in " ".join(verdict.saves[bad.save.event.id])
    assert not verdict.is_good


def test_strays_count_only_where_nobody_else_is(desk: EditionDesk, styles: Styles) -> None:
    """On its own Kafka a stray record is a problem; on a shared one it belongs to others."""
    desk.strays.append(Record(names.OUTCOME, 2, 9, b"x", b"{}", (), 0))

    assert judge(desk, styles, alone=True).strays == [f"{names.OUTCOME}:2 offset 9 answers no save"]
    assert not judge(desk, styles, alone=True).is_good
    assert judge(desk, styles, alone=False).is_good
