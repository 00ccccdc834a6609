"""What is printed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumer.cli.shared import printable


@given(st.text())
def test_nothing_from_outside_moves_the_cursor(text: str) -> None:
    """Control characters, line ends and marks that turn the reading direction come out escaped."""
    assert printable(text).replace("\u200c", "").replace("\u200d", "").isprintable()


def test_what_can_be_read_stays_as_it_is() -> None:
    """Letters of any script stay; an escape sequence is shown, not obeyed."""
    assert printable("Sturm über dem Hafen 港口 [red]") == "Sturm über dem Hafen 港口 [red]"
    assert printable("\u062e\u0628\u0631\u200c\u0647\u0627-12") == "\u062e\u0628\u0631\u200c\u0647\u0627-12"
    assert printable("a\x1b[2Jb\nc\u202e") == "a\\x1b[2Jb\\nc\\u202e"
