from __future__ import annotations

from typing import Any

import pytest

from consumer.dev.demo.crops import crops_drawer, kilobytes
from consumer.dev.demo.markup import Markup
from consumer.dev.demo.tickets import EditionDesk, SaveTicket
from schemas import ReadyPicture
from tests.unit.dev.demo.test_responsive import Elements
from tests.unit.dev.demo.test_verdict import tampered

NAME = Markup(" of an article")


def drawer_of(ticket: SaveTicket) -> Elements:
    drawn = crops_drawer(ticket, NAME)
    assert drawn
    return Elements(drawn)


@pytest.fixture
def ticket(desk: EditionDesk) -> SaveTicket:
    """A save of one picture."""
    return desk.tickets[1]


@pytest.fixture
def picture(ticket: SaveTicket) -> ReadyPicture:
    assert ticket.ready
    return ticket.ready.pictures[0]


def changed(ticket: SaveTicket, **fields: Any) -> None:
    assert ticket.ready
    first = ticket.ready.model_dump(mode="json")["pictures"][0]
    tampered(ticket, pictures=[{**first, **fields}])


def test_every_crop_is_outlined_on_the_picture(ticket: SaveTicket, picture: ReadyPicture) -> None:
    """One outline a shape, in the pixels of the picture."""
    crops = {file.set: file.crop for file in picture.renditions}
    drawn = drawer_of(ticket)
    outlines = [tuple(int(rect[side]) for side in ("x", "y", "width", "height")) for rect in drawn.all("rect")]

    assert outlines == [(crop.x, crop.y, crop.width, crop.height) for crop in crops.values()]
    assert [box["viewbox"] for box in drawn.all("svg")] == [f"0 0 {picture.width} {picture.height}"]


def test_the_focal_point_is_where_it_lies_in_each_shape(ticket: SaveTicket, picture: ReadyPicture) -> None:
    """The dot is told of the whole picture first, then of each crop's own corner."""
    dots = [mark["style"] for mark in drawer_of(ticket).all("i") if mark.get("class") == "focus"]
    hero = picture.renditions[0].crop
    down = 100 * (0.6 * picture.height - hero.y) / hero.height

    assert dots[:2] == ["left:40.0%;top:60.0%", f"left:40.0%;top:{down:.1f}%"]
    assert len(dots) == 1 + len({file.set for file in picture.renditions})


@pytest.mark.parametrize(
    ("source", "told"),
    [("editor", "set by an editor"), ("found", "found where the prompt acted"), ("centre", "the centre")],
)
def test_the_drawer_says_who_chose_the_focal_point(ticket: SaveTicket, source: str, told: str) -> None:
    """An editor trusts a point that an editor set, and looks at the others."""
    changed(ticket, focal_point={"x": 0.25, "y": 0.5, "source": source})

    assert f"25% from the left, 50% from the top: {told}" in drawer_of(ticket).text


def test_every_file_is_listed_with_its_size_beside_the_png(ticket: SaveTicket, picture: ReadyPicture) -> None:
    """Name, format and size of each, the PNG first, with a link to the file."""
    drawn = drawer_of(ticket)
    links = [link["href"] for link in drawn.all("a")]

    assert len(drawn.all("tr")) == 1 + 1 + len(picture.renditions)
    assert links == [f"pictures/{picture.sha256}.png", *(file.key for file in picture.renditions)]
    assert "as paintedPNG" in drawn.text
    assert f"hero-{picture.width}AVIF0.0\N{NO-BREAK SPACE}KB" in drawn.text


def test_what_is_larger_than_the_picture_is_named(ticket: SaveTicket) -> None:
    """A width that was not made is not just absent."""
    assert "so not made: hero-960" in drawer_of(ticket).text


def test_variants_have_a_sheet_each(desk: EditionDesk) -> None:
    """Four variants: four pictures with their focal points and thumbs, nothing missing."""
    drawn = drawer_of(desk.tickets[0])

    assert len(drawn.all("svg")) == 4
    assert "4 files for screens" in drawn.text
    assert "not made" not in drawn.text


def test_an_event_without_renditions_has_no_drawer(ticket: SaveTicket) -> None:
    """There is nothing to show of an older worker's picture."""
    changed(ticket, renditions=[])

    assert crops_drawer(ticket, NAME) is None


def test_a_bare_rendition_is_shown_without_point_and_placeholder(ticket: SaveTicket) -> None:
    """What the event does not say is left out."""
    changed(ticket, focal_point=None, thumbhash=None, dominant_colour=None)
    drawn = drawer_of(ticket)

    assert "placeholder" not in drawn.text
    assert not [mark for mark in drawn.all("i") if mark.get("class") == "focus"]


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0.0 KB"), (4_149, "4.1 KB"), (99_999, "100.0 KB"), (418_233, "418 KB")]
)
def test_sizes_are_told_in_kilobytes(count: int, told: str) -> None:
    """Small files with a decimal, large ones without."""
    assert kilobytes(count) == told.replace(" ", "\N{NO-BREAK SPACE}")
