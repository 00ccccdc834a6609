"""`consumer.processing.graphemes`: text cut to length between the characters that readers see."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumer.processing.graphemes import LOOSE_ENDS, length_of, shorten

CLUSTERS = [
    "a",
    "e\u0301",
    "กำ",
    "ที่",
    "क्षि",
    "নি",
    "த்",
    "한",
    "\u1112\u1161\u11ab",
    "🇩🇪",
    "👩\u200d👩\u200d👧",
    "👍🏽",
    "❤️",
    "1️⃣",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "漢",
    " ",
    ".",
]
characters = st.lists(st.sampled_from(CLUSTERS), max_size=40)


@given(characters, st.integers(1, 80), st.sampled_from(["", "…"]))
def test_a_cut_falls_between_the_characters_that_readers_see(shown: list[str], length: int, mark: str) -> None:
    """Thai, Indic conjuncts, accents, flags and joined emoji stay whole: what is left is the first few of them."""
    text = "".join(shown)
    kept = shorten(text, length, mark)
    beginnings = {"".join(shown[:count]) for count in range(len(shown) + 1)}
    assert kept == text or kept.removesuffix(mark) in beginnings


@given(characters, st.integers(0, 50))
def test_the_length_of_characters_is_told_in_code_points(shown: list[str], count: int) -> None:
    """So many of the characters that readers see are so many of Python's."""
    assert length_of("".join(shown), count) == len("".join(shown[:count]))


@given(st.text(), st.integers(min_value=2, max_value=200))
def test_shortened_text_keeps_to_its_length(text: str, length: int) -> None:
    """No text is longer than asked, the mark included; one that fits is untouched."""
    shortened = shorten(text, length, "…")
    assert len(shortened) <= length
    assert len(text) > length or shortened == text


def test_text_is_cut_between_words() -> None:
    """A cut takes no word in half, and Chinese, which has no spaces, is cut at the length."""
    assert shorten("storm over the harbour", 16, "…") == "storm over the…"
    assert shorten("台风逼近港口渡轮停航", 6, "…") == "台风逼近港…"


def test_one_character_longer_than_the_length_is_left_out() -> None:
    """Accents piled up without end are one character to Unicode: they cannot make a text longer than asked."""
    assert shorten("a" + "\u0301" * 500, 100) == ""
    assert shorten("b a" + "\u0301" * 500, 100, "…") == "b…"


@given(st.text("ab ,.;:。، ", max_size=40), st.integers(1, 20))
def test_nothing_loose_is_left_at_a_cut(text: str, length: int) -> None:
    """A cut text ends with a word, not with the comma behind it."""
    assert len(text) <= length or not shorten(text, length).endswith(tuple(LOOSE_ENDS))
