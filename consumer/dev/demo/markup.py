"""HTML that cannot be broken by its content: every text is escaped, unless it is markup made here."""

from __future__ import annotations

from html import escape

_VOID = {"br", "hr", "img", "link", "meta"}


class Markup(str):
    """A piece of HTML."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return an element. Children that are None are left out, and so are attributes that are None or False.

    A trailing underscore of an attribute's name is dropped (`class_`), other underscores become hyphens.
    """
    told = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{join(*children)}</{name}>")


def join(*children: object) -> Markup:
    """Return the children one after the other, texts escaped."""
    pieces = (child for child in children if child is not None)
    return Markup("".join(piece if isinstance(piece, Markup) else escape(str(piece)) for piece in pieces))


def prose(text: str) -> Markup:
    """Return a sentence whose words in backticks are set as code."""
    return join(*(tag("code", piece) if number % 2 else piece for number, piece in enumerate(text.split("`"))))


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
