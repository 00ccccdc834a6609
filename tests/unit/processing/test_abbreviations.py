"""`consumer.processing.abbreviations`: words before a full stop that ends no sentence."""

from __future__ import annotations

from consumer.processing import abbreviations


def test_a_languages_list_has_those_used_everywhere() -> None:
    """An Italian article quotes a U.S. senator; and no language has a list of its own that is not read."""
    assert all(words > abbreviations.EVERYWHERE for words in abbreviations.OF.values())
    assert abbreviations.OF["no"] == abbreviations.OF["nb"]


def test_no_word_is_in_a_list_with_its_full_stop() -> None:
    """It would never be found."""
    listed = [word for words in abbreviations.OF.values() for word in words]
    assert not [word for word in listed if "." in word]
    assert not [word for word in abbreviations.DOTTED if word != word.lower() or word.endswith(".")]
