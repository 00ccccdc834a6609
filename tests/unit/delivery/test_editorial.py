"""What editors decided about a slot, as its head remembers it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consumer.delivery.editorial import NOTHING_DECIDED, Choice, Editorial, Position, Withdrawal
from schemas.editorial import ImageChosen
from schemas.recrop import PictureReference

A, B = "a" * 64, "b" * 64
DATA = {
    "article": {"id": "a-1", "revision": 3},
    "picture": {"recipe": B},
    "focal_point": {"x": 0.25, "y": 0.5},
    "crops": {"square": {"x": 0, "y": 0, "width": 512, "height": 512}},
    "alt": "Ferries.",
    "caption": "In port.",
    "chosen_by": "kim",
}
CHOICE = Choice(decision=ImageChosen.model_validate(DATA), sha256=A, recipe=B, ordinal=4)
AT = Position(topic="requested", partition=1, offset=17)
WHOLE = Editorial(
    choice=CHOICE, withdrawal=Withdrawal(source="/cms", request_id="w-1", ordinal=5, message="Why."), at=AT
)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [({"sha256": A}, True), ({"recipe": B}, True), ({"sha256": B}, False), ({"recipe": A}, False)],
)
def test_a_choice_is_known_by_either_digest(reference: dict[str, str], *, expected: bool) -> None:
    """A re-crop names the picture as its sender likes."""
    assert CHOICE.is_of(PictureReference.model_validate(reference)) is expected


def test_a_picture_of_the_sites_own_is_nobodys() -> None:
    """No digest names it."""
    own = Choice(decision=ImageChosen.model_validate({"article": {"id": "a-1", "revision": 3}, "external": True}))

    assert not own.is_of(PictureReference(sha256=A))
    assert not own.is_of(PictureReference(recipe=B))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (None, False),
        (AT, False),
        (AT.model_copy(update={"offset": 18}), True),
        (AT.model_copy(update={"offset": 16}), False),
        (AT.model_copy(update={"offset": 18, "partition": 2}), False),
        (AT.model_copy(update={"offset": 18, "topic": "backfill"}), False),
    ],
)
def test_only_positions_of_one_partition_are_compared(other: Position | None, *, expected: bool) -> None:
    """After growth an article's decisions begin in another one."""
    assert AT.is_before(other) is expected


def test_what_is_remembered_survives_its_record() -> None:
    """A choice with crops and words, a withdrawal and the place of the last decision."""
    assert Editorial.model_validate_json(WHOLE.model_dump_json(exclude_none=True)) == WHOLE


def test_fields_of_a_newer_worker_are_ignored() -> None:
    """Also inside a choice: an older worker goes on with what it knows."""
    stored: dict[str, Any] = json.loads(WHOLE.model_dump_json(exclude_none=True))
    stored["mood"] = {"calm": True}
    stored["choice"]["framing"] = "tight"

    assert Editorial.model_validate(stored) == WHOLE


def test_nothing_decided_is_the_default() -> None:
    """What a head without editors has, and what its record leaves out."""
    assert Editorial() == NOTHING_DECIDED
    assert NOTHING_DECIDED.model_dump(exclude_none=True) == {}
