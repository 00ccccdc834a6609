from __future__ import annotations

from dataclasses import replace

from consumer.dev.demo.figures import credit, is_wide, plate, plates
from consumer.dev.demo.tickets import EditionDesk, SaveTicket
from tests.unit.dev.demo.test_responsive import Elements


def ticket_of(desk: EditionDesk, headline: str) -> SaveTicket:
    (found,) = [ticket for ticket in desk.tickets if ticket.save.article["headline"].startswith(headline)]
    return found


def shown_sets(html: str, ticket: SaveTicket) -> set[str]:
    """Return the sets of the files that are shown."""
    (image, *_), ready = Elements(html).all("img"), ticket.ready
    assert ready
    return {file.set for picture in ready.pictures for file in picture.renditions if file.sha256 in image["src"]}


def test_a_wide_picture_is_shown_as_hero(desk: EditionDesk) -> None:
    """It fills a wide column, in AVIF where the browser reads it, and its PNG is a click away."""
    ticket = ticket_of(desk, "Give the night")
    html = plates(ticket, first=False)
    (download,) = ticket.downloads

    assert is_wide(ticket.downloads)
    assert shown_sets(html, ticket) == {"hero"}
    assert [source["type"] for source in Elements(html).all("source")] == ["image/avif", "image/webp"]
    assert [link["href"] for link in Elements(html).all("a")] == [f"pictures/{download.picture.sha256}.png"]


def test_a_square_picture_is_shown_as_square(desk: EditionDesk) -> None:
    """It keeps its shape, in the narrow column."""
    ticket = ticket_of(desk, "In praise")

    assert not is_wide(ticket.downloads)
    assert shown_sets(plates(ticket, first=False), ticket) == {"square"}


def test_variants_are_shown_as_thumbs_and_numbered(desk: EditionDesk) -> None:
    """Of several variants there is the thumb alone; those who do not see them hear which is which."""
    html = plates(desk.tickets[0], first=True)
    images = Elements(html).all("img")

    assert shown_sets(html, desk.tickets[0]) == {"thumb"}
    assert [image["alt"][-5:] for image in images] == ["(1/4)", "(2/4)", "(3/4)", "(4/4)"]
    assert {image["fetchpriority"] for image in images} == {"high"}


def test_every_picture_has_a_badge_in_the_language_of_its_article(desk: EditionDesk) -> None:
    """A reader sees at each picture that it is AI-made."""
    texts = {ticket.save.key: Elements(plates(ticket, first=False)).text for ticket in desk.tickets if ticket.ready}

    assert texts["a-1042"].count("AI-generated") == 4
    assert texts["文章-2077"].count("AI 生成") == 1


def test_the_credit_line_is_there_once(desk: EditionDesk) -> None:
    """The site's line stands below the pictures, with style, model and how they came to be."""
    ready = desk.tickets[0].ready
    assert ready

    assert Elements(plates(desk.tickets[0], first=True)).text.count("Illustration: by machine") == 1
    assert credit(ready) == "Illustration: by machine · Oil painting · tiny-random · painted in 0.8\N{NO-BREAK SPACE}s"
    assert credit(ready.model_copy(update={"disclosure": None})).startswith("Oil painting")


def test_a_picture_that_was_not_fetched_says_so(desk: EditionDesk) -> None:
    """Its place tells why it is empty."""
    ticket = desk.tickets[0]
    ready, lost = ticket.ready, replace(ticket.downloads[0], file=None, problems=("picture 0 could not be fetched",))
    assert ready

    assert Elements(plate(ticket, ready, lost)).text == "picture 0 could not be fetched"
