"""HTML whose content cannot break it: all text is escaped, except markup made here."""

from html import escape

_VOID = {"br", "hr", "img", "link", "meta"}


class Markup(str):
    """A piece of HTML."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return an element. Children that are None and attributes that are None or False are left out.

    A trailing underscore of an attribute name is dropped (`class_`), other underscores become hyphens.
    """
    pairs = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{pairs}>")
    return Markup(f"<{name}{pairs}>{join(*children)}</{name}>")


def join(*children: object) -> Markup:
    """Return the concatenated children, texts escaped."""
    pieces = (child for child in children if child is not None)
    return Markup("".join(piece if isinstance(piece, Markup) else escape(str(piece)) for piece in pieces))


def prose(text: str) -> Markup:
    """Return a sentence with its words in backticks as code."""
    return join(*(tag("code", piece) if number % 2 else piece for number, piece in enumerate(text.split("`"))))


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
