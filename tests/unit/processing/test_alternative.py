"""`consumer.processing.alternative`: the text alternative that an editor starts from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from consumer.processing.alternative import ALT_LENGTH, alternative_of
from consumer.processing.cleaning import clean
from consumer.processing.styles import StylePreset, load_styles
from consumer.processing.wording import subject_of
from schemas import ImageRequested

STYLES = load_styles(None)
OIL = STYLES.get("oil_painting")
STORM = "Storm over the harbour. Ferries stay in port. Showing fishing boats, a lighthouse. Topics: Weather, storm"
TYPHOON = "台风逼近港口。渡轮停航。画面中有渔船、灯塔。主题：天气、台风"


@pytest.mark.parametrize(
    ("preset", "subject", "language", "alt"),
    [
        ("oil_painting", "a lighthouse at dusk", "en", "Oil painting: a lighthouse at dusk"),
        ("oil_painting", STORM, "en", "Oil painting: fishing boats, a lighthouse"),
        ("oil_painting", TYPHOON, "zh", "油画：渔船、灯塔"),
        ("oil_painting", "Who pays? Nobody knows. Topics: Taxes, budget", "en", "Oil painting: Taxes, budget"),
        ("oil_painting", "台风逼近港口。渡轮停航。主题：天气、台风", "zh", "油画：天气、台风"),
        ("oil_painting", "a lighthouse at dusk", "zh", "油画：a lighthouse at dusk"),
        ("oil_painting", "ein Leuchtturm", "de", "ein Leuchtturm"),
        ("photorealistic", "Boats", "en", "Photorealistic image (AI-generated): Boats"),
        ("photorealistic", "渔船", "zh", "写实图片（AI生成）：渔船"),
        ("photorealistic", "Boote", "de", "Boote"),
        ("default", "Boats", "en", "Illustration: Boats"),
        ("illustration", "渔船", "zh", "插画：渔船"),
        ("anime", "an image of a lighthouse", "en", "Anime picture: a lighthouse"),
        ("anime", "Photo showing boats", "en", "Anime picture: boats"),
        ("anime", "图片：港口的渔船", "zh", "动漫图片：港口的渔船"),
        ("anime", "Mayor guilty? The court rules on Friday", "en", "Anime picture: Mayor guilty?"),
        ("anime", "Gov. Lee signs. Schools get more", "en", "Anime picture: Gov. Lee signs"),
        ("anime", "… and then", "en", "Anime picture: … and then"),
    ],
)
def test_the_alternative_tells_the_kind_of_picture_and_what_it_was_asked_to_show(
    preset: str, subject: str, language: str, alt: str
) -> None:
    """In English and Chinese; elsewhere there is what was asked for. The headline is told where there is no more."""
    assert alternative_of(STYLES.get(preset), subject, language) == alt


def test_a_sites_own_titles_are_told_in_every_language() -> None:
    """A title for German makes the German alternative tell the kind, too; without one in Chinese it is a picture."""
    german = replace(OIL, titles={"de": "Ölgemälde"})
    assert alternative_of(german, "ein Leuchtturm", "de") == "Ölgemälde: ein Leuchtturm"
    assert alternative_of(german, "港口", "zh") == "图片：港口"
    chinese = replace(OIL, title="油画", titles={})
    assert alternative_of(chinese, "港口", "zh") == "油画：港口"
    assert alternative_of(chinese, "a harbour", "en") == "Picture: a harbour"


def test_the_alternative_of_a_stored_picture_is_the_one_it_was_announced_with() -> None:
    """Style, prompt and language are enough: a re-crop has no article."""
    asked = {"article": {"id": "a", "revision": 1, "headline": "Who pays?", "summary": "Nobody knows."}}
    subject, language = subject_of(ImageRequested.model_validate(asked))
    stored = OIL.subject_in(OIL.prompt(subject, language))
    assert stored is not None
    assert alternative_of(OIL, stored, language) == alternative_of(OIL, subject, language) == "Oil painting: Who pays?"


characters = st.sampled_from(["a", "กำ", "ที่", "👩\u200d🚒", "🇩🇪", "e\u0331", "क्षि", "漢", " "])


@given(st.lists(characters, min_size=1, max_size=400), st.sampled_from(["en", "zh", "de"]))
def test_no_alternative_is_longer_than_a_screen_reader_reads(shown: list[str], language: str) -> None:
    """At most 250 of the characters that readers see, whole ones, and as many as there is room for."""
    subject = clean("x" + "".join(shown))
    alt = alternative_of(OIL, subject, language)
    found = regex.findall(r"\X", alt)
    assert len(found) <= ALT_LENGTH
    assert set(found) <= {*shown, *"xOil painting: 油画：…"}
    assert alt.endswith(subject.strip()) or len(found) > ALT_LENGTH // 2


@given(st.text(), st.sampled_from(["en", "zh", "de", "und"]), st.sampled_from(list(STYLES.presets.values())))
def test_any_subject_has_an_alternative_on_one_line(text: str, language: str, style: StylePreset) -> None:
    """Of any cleaned text, with the kind of picture before it where the language has a word for that."""
    subject = clean(text)
    alt = alternative_of(style, subject, language)
    assert "\n" not in alt
    assert bool(alt) is (bool(subject) or language in {"en", "zh"})
