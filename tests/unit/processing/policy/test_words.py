"""Words are found as a reader sees them, whole, in any script."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.processing.policy.words import FoldedText, WordList, fold

LETTERS = "abcxyzäößñ"
WORDS = st.text(LETTERS, min_size=1, max_size=6)


def found(entry: str, text: str) -> str | None:
    searched = FoldedText(text)
    place = WordList([entry]).find(searched)
    return None if place is None else searched.original(place)


@pytest.mark.parametrize(
    ("entry", "text", "seen"),
    [
        ("Müller", "Herr MU\u0308LLER kam", "MÜLLER"),
        ("Mu\u0308ller", "Frau Müller", "Müller"),
        ("O'Brien", "Mr O’Brien’s case", "O’Brien"),
        ("O’Brien", "O'BRIEN", "O'BRIEN"),
        ("O'Brien", "O&#39;Brien", "O'Brien"),
        ("Jean-Luc", "Jean\u2011Luc", "Jean\u2011Luc"),
        ("court", "court-martial", "court"),
        ("accusé", "L'accusé parle", "accusé"),
        ("straße", "STRASSE", "STRASSE"),
        ("ΟΔΟΣ", "ο οδος", "οδος"),
        ("istanbul", "İSTANBUL'da", "İSTANBUL"),
        ("ırak", "IRAK savaşı", "IRAK"),
        ("IRAK", "ırak", "ırak"),
        ("obituary", "o\u200bbi\u00adtu\ufeffary", "obituary"),
        ("obituary", "ｏｂｉｔｕａｒｙ", "ｏｂｉｔｕａｒｙ"),
        ("obituary", "<b>Obit</b>uary", "Obituary"),
        ("killed in action", "Killed  in\nAction", "Killed in Action"),
        ("c++", "in C++ and", "C++"),
        ("ab cd", "ab cde ab cd", "ab cd"),
        ("張三", "記者張三說", "張三"),
        ("AI裁判", "关于AI裁判的", "AI裁判"),
        ("iPhone", "用iPhone拍", "iPhone"),
        ("サーバー", "新サーバーへ", "サーバー"),
        ("ศาล", "ที่ศาลอาญา", "ศาล"),
        ("김철수", "오늘 김철수가 왔다", "김철수"),
        ("می‌شود", "آن می‌شود و", "می‌شود"),
        ("суд", "В СУДЕ и суд.", "суд"),
    ],
)
def test_a_word_is_found_however_it_is_written(entry: str, text: str, seen: str) -> None:
    """Case, composition, width, markup, invisible characters and apostrophes make no difference."""
    assert found(entry, text) == seen


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("Müller", "Müllerin"),
        ("Müller", "Muller"),
        ("court", "The courtroom"),
        ("court", "escourt"),
        ("철수", "김철수가"),
        ("a.b", "axb"),
        (".*", "anything"),
        ("[a-z]+", "anything"),
        ("(", "anything"),
        ("9/11", "on 19/11"),
        ("ตา", "ตา\u0e49ก"),
        ("ab cd", "ab  cde"),
        ("charge", "charged"),
    ],
)
def test_a_part_of_a_word_is_not_the_word(entry: str, text: str) -> None:
    """Entries are literal, end where words end, and stand for no other form of a word."""
    assert found(entry, text) is None


@given(WORDS, st.lists(WORDS, max_size=8), st.sampled_from([" ", ", ", "-", " “", ". "]))
def test_a_word_is_found_exactly_where_it_is_one(entry: str, words: list[str], between: str) -> None:
    """Whatever stands around it: it is found if and only if it is one of the words."""
    text = between.join(words)
    assert (found(entry, text) is not None) == (fold(entry) in {fold(word) for word in words})


@given(st.lists(WORDS, max_size=20), st.lists(WORDS, max_size=8))
def test_a_list_finds_what_its_entries_find(entries: list[str], words: list[str]) -> None:
    """How many entries there are, and which others, changes nothing about one of them."""
    text = FoldedText(" ".join(words))
    alone = any(WordList([entry]).find(text) is not None for entry in entries)
    assert (WordList(entries).find(text) is not None) == alone


@given(st.text(max_size=40))
def test_the_form_of_composition_never_matters(text: str) -> None:
    """A text folds to the same in all four forms in which publishers normalise it."""
    forms = {fold(unicodedata.normalize(form, fold(text))) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert len(forms) == 1


@given(st.text(max_size=200), st.lists(st.text(min_size=1, max_size=5), max_size=5))
def test_any_text_can_be_searched(text: str, entries: list[str]) -> None:
    """No character in a text or a list is too odd; what is found lies within the text."""
    searched = FoldedText(text)
    place = WordList(entries).find(searched)
    if place is not None:
        assert 0 <= place.start < place.stop <= len(searched.folded)
        assert searched.original(place)


def test_an_empty_list_finds_nothing() -> None:
    """A site's list of names may be empty; entries that nobody can see do not count."""
    words = WordList(["", "  ", "\u200b"])
    assert len(words) == 0
    assert words.find(FoldedText("anything")) is None


def test_a_huge_list_is_searched_at_once() -> None:
    """A hundred thousand names find the one that is in a long text, by its index: no name is tried one by one."""
    words = WordList([f"name{number} family{number}" for number in range(100_000)])
    text = FoldedText("x " * 2000 + "Name99999 Family99999")
    place = words.find(text)
    assert place is not None
    assert text.original(place) == "Name99999 Family99999"
    assert max(len(lengths) for lengths in words._lengths.values()) < 20
