"""`consumer.processing.sentences`: where the first sentence ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.processing import abbreviations
from consumer.processing.sentences import first_sentence, question_mark

CONTINUATIONS = [
    "Whitfield signed it",
    "3 of them came",
    "(Ohio) came",
    "“Yes”, said Ito",
    "signed it",
    "Éva Ács kam",
]
spellings = sorted(
    (language, spelling)
    for language, words in abbreviations.OF.items()
    for word in words
    for spelling in (f"Yesterday {word}", word[:1].upper() + word[1:])
)
unlisted = st.sampled_from("budget port Hafen ville cielo порт Ελλάδα FBI NATO".split())  # noqa: SIM905
ordinals = st.sampled_from("bs cs da de et fi fo hr hu is lb lt lv nb nn pl sk sl sr tr".split())  # noqa: SIM905
marks = st.sampled_from([*"。｡！？।॥።፧۔؟։။។᠃꓿", ". ", "! ", "? ", "… ", "‽ ", "⁇ "])


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
        ("Brig. Gen. Tom Hall resigned.", "No reason was given.", "en"),
        ("The train left at 5 p.m. Monday.", "It was late.", "en"),
        ("It left at 5 p.m.", "Nobody saw it.", "en"),
        ("Fire Dept. Chief Ann Lee spoke to Messrs. Hale and Ito.", "They left.", "en"),
        ("“We stay.”", "So said the crew.", "en"),
        ("He said: “It is over.”", "She left.", "en"),
        ("It was 33.8°F.", "Nobody minded.", "en"),
        ("Acme Inc. Chief Executive Tim Hill left Bolt Co. (Nasdaq: BLT).", "She stays.", "en"),
        ("He left Acme Inc.", "“The board knew,” she said.", "en"),
        ("The house on Park Ave.", "They sold it.", "en"),
        ("Le 3 janv. 2026, il a neigé.", "Fin.", "fr"),
        ("Il 1° maggio il dott. Rossi parla.", "Fine.", "it"),
        ("Die Fa. Müller GmbH & Co. KG baut in der Schillerstr. am Markt.", "80 Leute helfen.", "de"),
        ("Der 100. Geburtstag wird am 3. Oktober gefeiert.", "Alle kommen.", "de"),
        ("Das Gesetz gilt gem. Art. 5 Abs. 2 ab sofort.", "Es ist streng.", "de"),
        ("Wir trafen Dr. med. Meyer.", "Er ging.", "de"),
        ("« Nous restons. »", "Ainsi parla le capitaine.", "fr"),
        ("El Excmo. Sr. D. Juan Ruiz nació en el s. XX.", "Saludó.", "es"),
        ("L'on. Rossi cita l'art. 5 della legge.", "Tutti tacciono.", "it"),
        ("A Av. Paulista está fechada.", "Há protestos.", "pt"),
        ("Spotkanie 3. maja o godz. 12 w Warszawie.", "Zapraszamy.", "pl"),
        ("Ing. Novák a MUDr. Malá mluví.", "Prší.", "cs"),
        ("Dl. Popescu și dna. Ionescu vorbesc.", "Plouă.", "ro"),
        ("Hinta on n. 3 milj. euroa.", "Kaupunki maksaa.", "fi"),
        ("В 2010-2012 гг. Виктор посещал г. Волгоград.", "Да.", "ru"),
        ("В 2026 г.", "Виктор приехал.", "ru"),
        ("Вул. Шевченка закрита.", "Дощ.", "uk"),
        ("Проф. Иванов говори.", "Вали.", "bg"),
        ("Ο κ. Παπαδόπουλος μίλησε.", "Βρέχει.", "el"),
        ("قال د. أحمد إن الرياح تهدأ.", "البحر هادئ.", "ar"),
        ("डॉ. शर्मा ने कहा कि वर्षा होगी।", "लोग घर गए।", "hi"),
        ("डॉ. पाटील बोलले.", "पाऊस आहे.", "mr"),
        ("PGS. TS. Nguyễn Văn A ở TP. Hồ Chí Minh phát biểu.", "Trời mưa.", "vi"),
        ("Dr. Budi tinggal di Jl. Sudirman.", "Hujan turun.", "id"),
        ("ქალაქი ზეიმობს.", "მუსიკაა.", "ka"),
        ("ဆောင်းရာသီ၊ မိုးရွာသည်။", "လူများ အိမ်ပြန်ကြသည်။", "my"),
    ],
)
def test_the_first_sentence_ends_where_readers_end_it(sentence: str, rest: str, language: str) -> None:
    """Titles, abbreviations, ordinals and quoted questions end none; every script has its own marks."""
    assert first_sentence(f"{sentence} {rest}", language) == sentence


@given(st.sampled_from(spellings), st.sampled_from(CONTINUATIONS))
def test_no_abbreviation_ends_a_sentence(spelt: tuple[str, str], continuation: str) -> None:
    """Whatever follows it, and also where it begins the sentence with a capital."""
    language, start = spelt
    sentence = f"{start}. {continuation}."
    assert first_sentence(f"{sentence} Schools get more.", language) == sentence


@given(
    st.sampled_from(sorted(abbreviations.OFTEN_LAST["en"])),
    st.sampled_from(["Whitfield", "(Ohio)", "3", "Éva", "A", "The"]),
)
def test_some_abbreviations_end_a_sentence_before_a_word_that_begins_one(word: str, following: str) -> None:
    """Companies and streets stand at the end as often as before a name."""
    text = f"Ito sold the Acme {word}. {following} knew it."
    ends = following in abbreviations.FIRST_WORDS
    assert first_sentence(f"{text} Schools get more.", "en") == (f"Ito sold the Acme {word}." if ends else text)


@given(unlisted, st.sampled_from(["en", "de", "ru", "xx"]), st.sampled_from(["Schools get more.", "Уроки.", "“Yes.”"]))
def test_any_other_word_ends_one(word: str, language: str, rest: str) -> None:
    """Short words, names in capitals and words of any script do, in languages without a list too."""
    assert first_sentence(f"They saw the {word}. {rest}", language) == f"They saw the {word}."


@given(ordinals, st.integers(1, 99), st.sampled_from(["Oktober", "máje", "FC Köln", "kerran"]))
def test_no_ordinal_ends_a_sentence(language: str, number: int, continuation: str) -> None:
    """In the languages that write a full stop behind it."""
    sentence = f"Am {number}. {continuation} ist es so weit."
    assert first_sentence(f"{sentence} Alle kommen.", language) == sentence


@given(st.integers(0, 999), st.text("0123456789 .-•", max_size=5))
def test_a_number_alone_is_no_sentence(number: int, bullet: str) -> None:
    """Lists begin with one, in any language."""
    assert first_sentence(f"{bullet}{number}. Schools get more. Others less.", "en") == (
        f"{bullet}{number}. Schools get more."
    )


@given(marks, st.sampled_from(["", "”", "»", "」", "')"]), st.sampled_from(["渡轮停航", "Ferries stay", "لوگ گھر گئے"]))
def test_every_scripts_mark_ends_a_sentence(mark: str, closing: str, words: str) -> None:
    """With the quotation marks and brackets behind it."""
    sentence = f"{words}{mark.strip()}{closing}"
    assert first_sentence(f"{sentence}{' ' if ' ' in mark else ''}{words}。", "und") == sentence


def test_a_mark_without_a_space_ends_a_sentence_where_the_script_has_none() -> None:
    """Chinese puts sentences side by side; a decimal point and an address are no ends."""
    assert first_sentence("渡轮停航。更多消息。", "zh") == "渡轮停航。"
    assert first_sentence("Winds pass 3.5 m at example.org today", "en") == "Winds pass 3.5 m at example.org today"


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("Who pays?", "?"),
        ("市长受贿？", "？"),
        ("هل تمطر غدا؟", "؟"),
        ("Ένοχος ο δήμαρχος;", ";"),
        ("“Mayor guilty?!”", "?"),
        ("Who pays? …", "?"),
    ],
)
def test_a_text_that_asks_is_known_by_its_mark(text: str, mark: str) -> None:
    """In every script, before quotation marks and dots too."""
    assert question_mark(text) == mark


@pytest.mark.parametrize("text", ["Storm", "Storm.", "Storm;", "Who? Me.", "Stop!", "And then…", ""])
def test_other_texts_do_not_ask(text: str) -> None:
    """A semicolon asks in Greek only, and a question asks only at the end."""
    assert question_mark(text) == ""


@given(st.text('aB .?!。;؟۔1"”', max_size=60), st.sampled_from(["en", "de", "el"]))
def test_a_sentence_is_the_beginning_of_its_text(text: str, language: str) -> None:
    """Nothing is added or left out, and no text is without a first sentence."""
    sentence = first_sentence(text, language)
    assert text.startswith(sentence)
    assert bool(sentence) is bool(text)
