"""The page that the demo writes: its edition as a newspaper, each article beside its pictures."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from urllib.parse import quote

from consumer import __version__
from consumer.dev.demo.crops import crops_drawer
from consumer.dev.demo.drawers import drawer, spoken
from consumer.dev.demo.figures import credit, is_wide, plate, plates
from consumer.dev.demo.markup import Markup, join, tag
from consumer.dev.demo.tickets import EditionDesk, SaveTicket
from consumer.dev.demo.verdict import EditionVerdict
from consumer.engine.weights import CARD
from consumer.processing.styles import Styles
from consumer.settings import EngineKind, EngineSettings

_TITLE = "The Demo Edition"
_FEW = 2
"""Maximum number of pictures beside an article; more make it the lead."""


_CARDS = (
    "The swatch engine stands in for a model: it paints labelled colour cards. Everything around them is real: the "
    "events, the store, the recipes."
)


@dataclass(frozen=True, slots=True)
class PageImprint:
    """What the page says about the run: start, total seconds, and a caveat about the model, if any.

    `desk`: the address at which `make dev` shows the same articles; None if it shows others.
    """

    begun: datetime
    seconds: float
    caveat: str | None
    desk: str | None = None


def caveat(engine: EngineSettings) -> str | None:
    """Return the remark of the model's card about its pictures; None without a card or a remark."""
    if engine.kind is EngineKind.SWATCH:
        return _CARDS
    card = engine.model / CARD if engine.model else None
    if card is None or not card.is_file():
        return None
    remark = json.loads(card.read_bytes()).get("remark")
    return None if remark is None else str(remark)


def render(desk: EditionDesk, verdict: EditionVerdict, styles: Styles, imprint: PageImprint) -> str:
    """Return the page: one HTML file that needs only the `pictures` folder beside it."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{_TITLE} · leadart"),
        tag("style", Markup((files("consumer.dev.demo") / "page.css").read_text(encoding="utf-8"))),
    )
    stories = [
        _story(number, saves, verdict, styles, imprint.desk) for number, saves in enumerate(_by_article(desk), 1)
    ]
    body = tag(
        "body",
        tag("a", "Skip to the articles", href="#articles", class_="skip"),
        _masthead(desk, verdict, imprint),
        tag("main", *stories, id="articles"),
        _colophon(desk, verdict),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en-GB')}\n"


def _by_article(desk: EditionDesk) -> list[list[SaveTicket]]:
    articles: dict[str, list[SaveTicket]] = {}
    for ticket in desk.tickets:
        articles.setdefault(ticket.save.key, []).append(ticket)
    return list(articles.values())


def _masthead(desk: EditionDesk, verdict: EditionVerdict, imprint: PageImprint) -> Markup:
    shown = {download.file for ticket in desk.tickets for download in ticket.downloads}
    files = {file for ticket in desk.tickets for download in ticket.downloads for file in download.renditions}
    figures = (
        f"{len(_by_article(desk))} articles",
        f"{len(desk.tickets)} saves",
        f"{len(shown)} pictures",
        f"{len(files)} files for screens",
        f"{imprint.seconds:.0f} seconds from cold start to print",
    )
    return tag(
        "header",
        tag("p", "leadart ", __version__, tag("span", f"{imprint.begun:%A, %-d %B %Y, %H:%M} UTC"), class_="ears"),
        tag("h1", _TITLE),
        tag("p", " · ".join(figures), class_="figures"),
        _judgement(desk, verdict),
        tag("p", tag("strong", "Before you look. "), imprint.caveat, class_="caveat") if imprint.caveat else None,
        _invitation(imprint.desk) if imprint.desk else None,
    )


def _invitation(desk: str) -> Markup:
    return tag(
        "p",
        tag("code", "make dev"),
        " paints this edition again and keeps it in ",
        tag("a", "the desk", href=desk),
        ", where editors choose, crop and take down. The links below work while it runs, once you are signed in by the "
        "address that it prints.",
        class_="desk",
    )


def _judgement(desk: EditionDesk, verdict: EditionVerdict) -> Markup:
    if verdict.is_good:
        return tag("p", "Every save got exactly its expected outcome, and every picture is as announced.")
    wrong = [tag("li", problem) for problem in (*verdict.named(desk), *verdict.strays)]
    summary = f"{verdict.good_saves} of {len(desk.tickets)} saves got the outcome they should."
    return tag("div", tag("p", summary), tag("ul", *wrong), class_="wrong")


def _story(number: int, saves: list[SaveTicket], verdict: EditionVerdict, styles: Styles, desk: str | None) -> Markup:
    """Return an article as last saved, with the outcomes of earlier saves below it."""
    *earlier, last = saves
    before = [_earlier(ticket, verdict, styles) for ticket in earlier]
    drawers = (crops_drawer(last, spoken(last)), drawer(last, verdict.saves[last.save.event.id], styles))
    return tag(
        "article",
        _text(number, last, desk),
        tag("div", plates(last, first=number == 1), *drawers, class_="art"),
        tag("div", *before, class_="before") if before else None,
        class_="lead" if len(last.downloads) > _FEW else "wide" if is_wide(last.downloads) else None,
        aria_labelledby=f"headline-{number}",
        id=f"article-{number}",
    )


def _text(number: int, ticket: SaveTicket, desk: str | None) -> Markup:
    article = ticket.save.article
    paragraphs = str(article.get("body_excerpt") or "").split("\n\n")
    return tag(
        "div",
        tag("p", article.get("section"), class_="kicker"),
        tag("h2", article["headline"], id=f"headline-{number}"),
        tag("p", article.get("summary"), class_="standfirst"),
        *(tag("p", paragraph) for paragraph in paragraphs),
        tag("p", article.get("author"), class_="byline"),
        tag("p", _in_the_desk(ticket, desk), class_="byline", lang="en-GB") if desk else None,
        class_="text",
        lang=article.get("locale"),
    )


def _in_the_desk(ticket: SaveTicket, desk: str) -> Markup:
    slot = ticket.save.request.get("output", {}).get("slot", "hero")
    return tag("a", "In the desk", spoken(ticket), href=f"{desk}#/a/{quote(ticket.save.key, safe='')}/{slot}")


def _earlier(ticket: SaveTicket, verdict: EditionVerdict, styles: Styles) -> Markup:
    article = ticket.save.article
    text = tag(
        "div",
        tag("p", f"Saved before, as revision {article['revision']}", class_="kicker"),
        tag("p", article["headline"], class_="headline", lang=article.get("locale")),
        tag("p", credit(ticket.ready), class_="credit") if ticket.ready else None,
        crops_drawer(ticket, spoken(ticket)),
        drawer(ticket, verdict.saves[ticket.save.event.id], styles),
    )
    figures = [plate(ticket, ticket.ready, download) for download in ticket.downloads] if ticket.ready else []
    return tag("section", tag("div", *figures[:1], class_="plates"), text, class_="earlier")


def _colophon(desk: EditionDesk, verdict: EditionVerdict) -> Markup:
    models = {(ticket.ready.model.name, ticket.ready.model.sha256) for ticket in desk.tickets if ticket.ready}
    painters = (join(tag("b", name), ", weights ", tag("code", digest)) for name, digest in sorted(models))
    return tag(
        "footer",
        tag("h2", "The run, save by save"),
        tag(
            "div",
            _table(desk, verdict),
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label="The run, save by save",
        ),
        *(tag("p", "Painted by ", model, ".") for model in painters),
        tag(
            "p",
            "All events, as seen by a read-committed subscriber: ",
            tag("a", "events.jsonl", href="events.jsonl"),
            ".",
        ),
    )


def _table(desk: EditionDesk, verdict: EditionVerdict) -> Markup:
    columns = ("article", "revision", "style", "outcome", "pictures", "seconds", "request")
    head = tag("tr", *(tag("th", column, scope="col") for column in columns))
    return tag("table", tag("thead", head), tag("tbody", *_rows(desk, verdict)))


def _rows(desk: EditionDesk, verdict: EditionVerdict) -> Iterator[Markup]:
    numbers = {saves[0].save.key: number for number, saves in enumerate(_by_article(desk), 1)}
    for ticket in desk.tickets:
        article, ready = ticket.save.article, ticket.ready
        headline = tag(
            "a", article["headline"], href=f"#article-{numbers[ticket.save.key]}", lang=article.get("locale")
        )
        cells = (
            article["revision"],
            f"{ready.style.preset} {ready.style.version}" if ready else "",
            _outcome(ticket),
            len(ticket.downloads),
            f"{ticket.seconds:.1f}" if ticket.seconds is not None else "",
            tag("code", ticket.save.event.id),
        )
        wrong = bool(verdict.saves[ticket.save.event.id])
        yield tag("tr", tag("td", headline), *(tag("td", cell) for cell in cells), class_="wrong" if wrong else None)


def _outcome(ticket: SaveTicket) -> str:
    if ticket.failed:
        return f"failed, {ticket.failed.reason}"
    return f"{ticket.outcome or 'none'}{', reused' if ticket.ready and ticket.ready.reused else ''}"
