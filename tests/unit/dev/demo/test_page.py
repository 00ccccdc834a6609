from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from consumer.dev.demo.articles import ArticleSave
from consumer.dev.demo.markup import prose
from consumer.dev.demo.page import PageImprint, render
from consumer.dev.demo.run import DESK
from consumer.dev.demo.tickets import EditionDesk
from consumer.dev.demo.verdict import judge
from consumer.processing.styles import Styles

_NASTY = """<script>alert("x")</script> & 'quotes' </title><img src=x onerror=y>"""
_VOID = {"img", "source", "meta", "br", "hr"}


class _Page(HTMLParser):
    """Reads a page and asserts that every element is closed where it should be."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def _page(desk: EditionDesk, styles: Styles, caveat: str | None = None) -> str:
    imprint = PageImprint(datetime(2026, 11, 23, 4, 16, tzinfo=UTC), 21.9, caveat, DESK)
    return render(desk, judge(desk, styles, alone=True), styles, imprint)


def test_it_needs_nothing_but_the_pictures_beside_it(desk: EditionDesk, styles: Styles) -> None:
    """No script, font, stylesheet or other machine: every link is a file beside it, a place in it, or the desk."""
    html = _page(desk, styles)
    page = _Page(html)
    targets = [told for _, attributes in page.elements for key in ("src", "href") if (told := attributes.get(key))]
    targets += re.findall(r"url\(([^)]*)\)", html)
    targets += [one.split()[0] for source in page.all("source") for one in (source["srcset"] or "").split(", ")]
    beside = r"pictures/[0-9a-f]{64}\.(png|jpg|webp|avif)|events\.jsonl"

    assert not page.all("script")
    assert not page.all("link")
    assert "@import" not in html
    assert [
        one for one in targets if not re.fullmatch(rf"#[\w-]+|{beside}|{DESK}.*|data:image/png;base64,[\w+/=]+", one)
    ] == []


def test_every_article_is_linked_to_its_slot_in_the_desk(desk: EditionDesk, styles: Styles) -> None:
    """Where `make dev` shows it; a run on shared servers, whose articles it does not have, has no such link."""
    keys = {ticket.save.key for ticket in desk.tickets}
    links = {link["href"] for link in _Page(_page(desk, styles)).all("a")}
    alone = PageImprint(datetime(2026, 11, 23, 4, 16, tzinfo=UTC), 21.9, None)
    shared = render(desk, judge(desk, styles, alone=False), styles, alone)

    assert {f"{DESK}#/a/{quote(key)}/hero" for key in keys} <= links
    assert DESK not in shared


def test_every_picture_is_beside_its_article(desk: EditionDesk, styles: Styles) -> None:
    """Each announced picture is shown, with its size and with words for who does not see it; each file is linked to."""
    page = _Page(_page(desk, styles))
    pictures = [picture for t in desk.tickets if t.ready for picture in t.ready.pictures]
    images = [image for image in page.all("img") if image["alt"]]
    links = {link["href"] for link in page.all("a")}

    assert len(images) == len(pictures)
    assert {f"pictures/{picture.sha256}.png" for picture in pictures} <= links
    assert {file.key for picture in pictures for file in picture.renditions} <= links
    assert all(int(image["width"] or 0) and int(image["height"] or 0) for image in images)


def test_chinese_is_marked_as_chinese(desk: EditionDesk, styles: Styles) -> None:
    """A Chinese article says its language, so that it is shown and read aloud as such."""
    languages = Counter(attributes.get("lang") for attributes in _Page(_page(desk, styles)).all("div"))

    assert languages["zh-Hans"] == 3
    assert languages["en-GB"] == 9


def test_the_page_counts_the_files_for_screens(desk: EditionDesk, styles: Styles) -> None:
    """Its head tells how many files a site gets, each counted once however often it was announced."""
    digests = {f.sha256 for t in desk.tickets if t.ready for p in t.ready.pictures for f in p.renditions}

    assert f"{len(digests)} files for screens" in _Page(_page(desk, styles)).text


def test_ids_are_unique_and_links_lead_somewhere(desk: EditionDesk, styles: Styles) -> None:
    """No two elements share an id, and every link inside the page has its place."""
    page = _Page(_page(desk, styles))
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    inner = {href[1:] for attributes in page.all("a") if (href := attributes.get("href") or "").startswith("#")}
    labels = {attributes["aria-labelledby"] for attributes in page.all("article")}

    assert max(ids.values()) == 1
    assert inner | labels <= set(ids)


def test_what_a_story_says_stays_text(desk: EditionDesk, styles: Styles) -> None:
    """A headline full of markup is shown letter by letter."""
    ticket = desk.tickets[-1]
    article = {**ticket.save.article, "headline": _NASTY, "body_excerpt": _NASTY, "section": _NASTY}
    ticket.save = ArticleSave({**ticket.save.request, "article": article}, ticket.save.expected)
    page = _Page(_page(desk, styles))

    assert not page.all("script")
    assert page.text.count(_NASTY) >= 3


def test_the_drawer_holds_the_recipe_and_the_record(desk: EditionDesk, styles: Styles) -> None:
    """Prompt, negative prompt, seeds, digests, event ids, style and model are there, each in full."""
    text = _Page(_page(desk, styles)).text
    for ticket in desk.tickets:
        assert ticket.save.event.id in text
        assert ticket.outcomes[0].id in text
        if ticket.ready:
            assert ticket.ready.prompt in text
            assert ticket.ready.model.sha256 in text
            for picture in ticket.ready.pictures:
                assert all(fact in text for fact in (picture.recipe, picture.sha256, f"seed{picture.seed}"))
    assert "nsfw, low quality" in text


def test_the_failed_article_says_why(desk: EditionDesk, styles: Styles) -> None:
    """Reason, field and sentence stand where its picture would be."""
    text = _Page(_page(desk, styles)).text
    (failed,) = [ticket.failed for ticket in desk.tickets if ticket.failed]

    assert "invalid_field on output.width" in text
    assert failed.message.replace("`", "") in text


@pytest.mark.parametrize("caveat", [None, "The model has random weights."])
def test_the_caveat_is_there_when_there_is_one(desk: EditionDesk, styles: Styles, caveat: str | None) -> None:
    """The top of the page says that a model is untrained; a trained one has no caveat."""
    text = _Page(_page(desk, styles, caveat)).text

    assert ("Before you look" in text) is bool(caveat)
    assert (caveat or "its expected outcome") in text


def test_what_went_wrong_is_at_the_top(desk: EditionDesk, styles: Styles) -> None:
    """The page does not praise a run that failed: it names each problem, also where there is no picture to show."""
    desk.tickets[0].outcomes.clear()
    desk.tickets[0].downloads.clear()
    spoilt = desk.tickets[5]
    spoilt.downloads[0] = replace(spoilt.downloads[0], file=None, problems=("picture 0 could not be fetched",))
    text = _Page(_page(desk, styles)).text

    assert f"{len(desk.tickets) - 2} of {len(desk.tickets)} saves got the outcome they should" in text
    assert "Every save got" not in text
    assert "Storm over the harbour, revision 1: no outcome" in text
    assert "No outcome came for this save" in text
    assert "picture 0 could not be fetched" in text


def test_backticks_in_a_sentence_are_set_as_code() -> None:
    """Field names stand out on the page, and whatever else the sentence holds is escaped."""
    assert prose("`output.width` is <500>") == "<code>output.width</code> is &lt;500&gt;"
