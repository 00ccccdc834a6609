"""An article's pictures as the page shows them, with the HTML that a site copies, or why there are none."""

from collections.abc import Sequence
from typing import Any

from consumer.dev.demo.downloads import Download
from consumer.dev.demo.markup import Markup, join, prose, tag
from consumer.dev.demo.responsive import Json, figure
from consumer.dev.demo.tickets import SaveTicket
from consumer.jobs import FILE_SUFFIXES
from schemas import ImageFailed, ImageReady

WIDE = 4 / 3
"""Ratio of width to height from which a picture is shown in the shape `hero`; others are shown as `square`."""
_BADGES = {"zh": "AI 生成"}
_COLUMN, _WIDE_COLUMN, _HALF_COLUMN = ("21rem", "34rem", "17rem")


def plates(ticket: SaveTicket, *, first: bool) -> Markup:
    """Return the pictures of a save, with caption and credit line; `first` if they are seen without scrolling."""
    if ticket.failed:
        return _refusal(ticket.failed)
    if ticket.ready is None:
        return tag("div", tag("p", "No outcome came for this save.", class_="why"), class_="refusal")
    shown = [plate(ticket, ticket.ready, download, first=first) for download in ticket.downloads]
    return join(
        tag("div", *shown, class_=f"plates of-{min(len(shown), 4)}"),
        tag("p", ticket.ready.alt, class_="caption", lang=_language(ticket)),
        tag("p", credit(ticket.ready), class_="credit"),
    )


def plate(ticket: SaveTicket, ready: ImageReady, download: Download, *, first: bool = False) -> Markup:
    """Return one picture as a site shows it, linked to its PNG; the credit line stands below all of them."""
    if download.file is None:
        return tag("div", tag("p", *download.problems, class_="why"), class_="refusal")
    picture, data = download.picture, ready.model_dump(mode="json")
    data["disclosure"] = {**(data.get("disclosure") or {}), "credit_line": None}
    if len(ready.pictures) > 1:
        data["alt"] += f" ({picture.index + 1}/{len(ready.pictures)})"
    is_wide = picture.width >= WIDE * picture.height
    shape = "thumb" if len(ready.pictures) > 1 else "hero" if is_wide else "square"
    column = {"thumb": _HALF_COLUMN, "hero": _WIDE_COLUMN, "square": _COLUMN}[shape]
    html = figure(
        data,
        index=picture.index,
        shape=shape,
        sizes=f"(min-width: 50rem) {column}, 92vw",
        first=first,
        badge=_BADGES.get((_language(ticket) or "")[:2], "AI-generated"),
        address=address,
    )
    return tag("a", Markup(html), href=address(data["pictures"][picture.index]), lang=_language(ticket))


def address(file: Json) -> str:
    """Return where the page finds an announced file: beside it, by its digest."""
    return f"pictures/{file['sha256']}.{FILE_SUFFIXES.get(file['media_type'], 'bin')}"


def credit(ready: ImageReady) -> str:
    """Return the credit line, and how the pictures came to be."""
    line = ready.disclosure.credit_line if ready.disclosure else None
    style = ready.style.preset.replace("_", " ").capitalize()
    how = "reused from the store" if ready.reused else f"painted in {ready.seconds.engine:.1f}\N{NO-BREAK SPACE}s"
    return " · ".join(filter(None, (line, style, ready.model.name, how)))


def is_wide(downloads: Sequence[Download]) -> bool:
    """Return whether an article's picture is one that wants a wide column."""
    return len(downloads) == 1 and downloads[0].picture.width >= WIDE * downloads[0].picture.height


def _language(ticket: SaveTicket) -> str | None:
    locale: Any = ticket.save.article.get("locale")
    return None if locale is None else str(locale)


def _refusal(failed: ImageFailed) -> Markup:
    where = join(" on ", tag("code", failed.field)) if failed.field else None
    kept = failed.dead_letter
    kept_where = f"The original request is in {kept.topic}, partition {kept.partition}." if kept else None
    return tag(
        "div",
        tag("p", "No picture: ", tag("code", failed.reason), where, class_="reason"),
        tag("p", prose(failed.message), class_="why"),
        tag("p", kept_where) if kept_where else None,
        class_="refusal",
    )
