from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from consumer.dev.demo.markup import join, tag


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_no_text_is_ever_taken_for_markup(text: str) -> None:
    """Whatever a headline holds, a browser shows it as it is, in content and in attributes."""
    read = _read(tag("p", text, title=text))

    assert read.tags == ["p"]
    assert read.text == text
    assert read.attributes["title"] == text


def test_markup_stays_markup() -> None:
    """What was made here is not escaped again."""
    assert tag("p", "a < b ", tag("b", "c & d")) == "<p>a &lt; b <b>c &amp; d</b></p>"
    assert join(tag("br"), None, 3) == "<br>3"


def test_attributes_are_left_out_when_there_is_nothing_to_say() -> None:
    """None and False leave an attribute out, True makes it bare; names are written as HTML has them."""
    assert (
        tag("details", open=True, class_=None, hidden=False, aria_label="x")
        == '<details open aria-label="x"></details>'
    )
