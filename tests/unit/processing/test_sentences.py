"""`consumer.processing.sentences`: where the first sentence ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.processing.sentences import asserts, first_sentence


@pytest.mark.parametrize(
    ("sentence", "rest", "language"),
    [
        ("Gov. Dana Whitfield signed the state budget on Friday.", "Schools get more.", "en"),
        ("Sen. Bob Lee met Lt. Col. Ann Ray at St. Mary's.", "They talked.", "en"),
        ("Dr. Smith of the U.S. team won.", "He smiled.", "en"),
        ("Winds pass 100 km/h.", "Ferries stay.", "en"),
        ("On Sept. 11 the bridge opens, i.e. Tuesday.", "Trams cross it.", "en"),
        ("It was 2026.", "Ferries stay.", "en"),
        ("They came 3.", "Ferries stay.", "en"),
        ("“Is it over?” she asked.", "Nobody knew.", "en"),
        ("Is it over?", "Nobody knew.", "en"),
        ("The cat sat.", "The dog ran.", "en"),
        ("Am 3. Oktober feiert die Stadt ein grosses Fest am Hafen.", "Es gibt Musik.", "de"),
        ("Der Bau kostet 5 Mio. Euro, z. B. für Beton.", "Er beginnt.", "de"),
        ("Die Stadt feiert 2026.", "Es gibt Musik.", "de"),
        ("Praha 1. máje oslavuje.", "Hraje hudba.", "cs"),
        ("Mme. Durand et M. Petit arrivent.", "La foule attend.", "fr"),
        ("La Sra. López y el Gral. Ruiz hablan.", "Llueve.", "es"),
        ("Przy ul. Marszałkowskiej stoi św. Jan.", "Pada.", "pl"),
        ("Ένοχος ο δήμαρχος;", "Το δικαστήριο αποφασίζει.", "el"),
        ("هل تمطر غدا؟", "الرياح تهدأ.", "ar"),
        ("شہر میں بارش ہوئی۔", "لوگ گھر گئے۔", "ur"),
        ("नगर में वर्षा हुई।", "लोग घर गए।", "hi"),
        ("Փոթորիկ է։", "Նավերը մնում են։", "hy"),
        ("渡轮停航。", "更多消息稍后公布。", "zh"),
    ],
)
def test_the_first_sentence_ends_where_readers_end_it(sentence: str, rest: str, language: str) -> None:
    """Titles, abbreviations, ordinals and quoted questions end none; every script has its own marks."""
    assert first_sentence(f"{sentence} {rest}", language) == sentence


def test_a_mark_without_a_space_ends_a_sentence_where_the_script_has_none() -> None:
    """Chinese puts sentences side by side; a decimal point and an address are no ends."""
    assert first_sentence("渡轮停航。更多消息。", "zh") == "渡轮停航。"
    assert first_sentence("Winds pass 3.5 m at example.org today", "en") == "Winds pass 3.5 m at example.org today"


@pytest.mark.parametrize(
    "text", ["Who pays?", "市长受贿？", "Stop!", "And then…", "هل تمطر غدا؟", "Ένοχος ο δήμαρχος;"]
)
def test_questions_and_exclamations_assert_nothing(text: str) -> None:
    """Without its mark a question would be a statement, and perhaps a libel."""
    assert not asserts(text)


@pytest.mark.parametrize("text", ["Storm", "Storm.", "Storm;", ""])
def test_other_texts_are_statements(text: str) -> None:
    """A semicolon asks in Greek only."""
    assert asserts(text)


@given(st.text('aB .?!。;؟۔1"”', max_size=60), st.sampled_from(["en", "de", "el"]))
def test_a_sentence_is_the_beginning_of_its_text(text: str, language: str) -> None:
    """Nothing is added or left out, and no text is without a first sentence."""
    sentence = first_sentence(text, language)
    assert text.startswith(sentence)
    assert bool(sentence) is bool(text)
