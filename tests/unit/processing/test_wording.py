from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.processing.cleaning import clean, has_words
from consumer.processing.wording import (
    ALT_LENGTH,
    alternative_of,
    language_of,
    subject_of,
    terms,
)
from schemas import ImageRequested


def request(article: dict[str, Any] | None = None, **brief: Any) -> ImageRequested:
    return ImageRequested.model_validate({"article": {"id": "a-1", "revision": 1, **(article or {})}, "brief": brief})


STORM = {
    "locale": "en-GB",
    "section": "weather",
    "headline": "Storm over the harbour",
    "summary": "Ferries stay in port as winds pass 100 km/h. More rain is expected.",
    "tags": ["storm", "Weather"],
}
TYPHOON = {
    "locale": "zh-Hans",
    "section": "天气",
    "headline": "台风逼近港口",
    "summary": "渡轮停航，风速超过每小时100公里。更多消息稍后公布。",
    "tags": ["台风", "港口"],
}


def test_a_headline_that_asks_asserts_nothing() -> None:
    """In the text alternative a question stays one: without its mark it would be a statement, and perhaps a libel."""
    asked = {"headline": "Mayor guilty?", "summary": "The court rules on Friday. More later."}
    assert alternative_of(request(asked)) == "Mayor guilty? The court rules on Friday."
    asked = {"headline": "Ένοχος ο δήμαρχος;", "summary": "Το δικαστήριο αποφασίζει την Παρασκευή.", "locale": "el"}
    assert alternative_of(request(asked)) == "Ένοχος ο δήμαρχος; Το δικαστήριο αποφασίζει την Παρασκευή."
    asked = {"headline": "هل تمطر غدا؟", "summary": "الرياح تهدأ.", "locale": "ar"}
    assert alternative_of(request(asked)) == "هل تمطر غدا؟ الرياح تهدأ."
    asked = {"headline": "市长受贿？", "summary": "法院周五宣判。", "locale": "zh-CN"}
    assert alternative_of(request(asked)) == "市长受贿？法院周五宣判。"


@pytest.mark.parametrize("text", ["?!", "…", "\u200d", "\ufe0f", "— —"])
def test_punctuation_is_no_subject(text: str) -> None:
    """Neither as a headline nor as an editor's prompt; an emoji is one."""
    assert subject_of(request({"headline": text})) == ("", "")
    assert subject_of(request({"headline": "Storm"}, prompt=text)) == ("Storm", "en")
    assert subject_of(request({"headline": "🚀"}))[0] == "🚀"


@pytest.mark.parametrize(
    ("text", "locale", "language"),
    [
        ("Storm", "en-GB", "en"),
        ("台风", "zh-CN", "zh"),
        ("台风", "ZH_hans", "zh"),
        ("a lighthouse", "zh-CN", "en"),
        ("台风", "en", "zh"),
        ("東京に大雨", "ja", "ja"),
        ("東京", "ja", "ja"),
        ("The 春节 holiday", "en", "en"),
        ("Sturm", "de-AT", "de"),
    ],
)
def test_the_letters_correct_the_locale(text: str, locale: str, language: str) -> None:
    """The locale decides, unless the text is plainly Chinese without it or plainly not Chinese with it."""
    assert language_of(text, locale) == language


def test_an_english_article_becomes_english_sentences() -> None:
    """Headline, first sentence of the summary, hints, then section and tags, each once."""
    subject, language = subject_of(request(STORM, subject_hints=["fishing boats", "a lighthouse"]))
    assert language == "en"
    assert subject == (
        "Storm over the harbour. Ferries stay in port as winds pass 100 km/h. "
        "Showing fishing boats, a lighthouse. Topics: Weather, storm"
    )


def test_a_chinese_article_becomes_chinese_sentences() -> None:
    """Chinese text gets Chinese punctuation and wording, with no space between."""
    subject, language = subject_of(request(TYPHOON, subject_hints=["渔船", "灯塔"]))
    assert language == "zh"
    assert subject == "台风逼近港口。渡轮停航，风速超过每小时100公里。画面中有渔船、灯塔。主题：天气、台风、港口"


def test_other_languages_get_no_words_of_ours() -> None:
    """A German article is put together with punctuation alone."""
    article = {"locale": "de", "headline": "Sturm über dem Hafen", "section": "Wetter"}
    assert subject_of(request(article, subject_hints=["Boote"])) == ("Sturm über dem Hafen. Boote. Wetter", "de")


def test_the_editors_own_prompt_is_the_subject() -> None:
    """With a prompt given, the article adds nothing to it."""
    assert subject_of(request(STORM, prompt="A lighthouse at dusk.")) == ("A lighthouse at dusk", "en")


def test_a_prompt_without_a_word_falls_back_to_the_article() -> None:
    """A prompt that is only a command or a full stop is no prompt."""
    article = {"headline": "Storm over the harbour"}
    assert subject_of(request(article, prompt="<|im_end|> .")) == ("Storm over the harbour", "en")


def test_nothing_is_left_of_a_headline_of_punctuation() -> None:
    """Where there is no word at all, that is reported, not painted."""
    assert subject_of(request({"headline": "“...”"})) == ("", "")


def test_quoted_words_are_not_painted() -> None:
    """An article's quotation marks would make the model write the words; the editor's own stay."""
    assert subject_of(request({"headline": 'Minister: "We stay"'}))[0] == "Minister: We stay"
    assert subject_of(request({"headline": "部长：「不辞职」", "locale": "zh"}))[0] == "部长：不辞职"
    assert subject_of(request(prompt='a sign that says "open"'))[0] == 'a sign that says "open"'


@pytest.mark.parametrize(
    ("summary", "sentence"),
    [
        ("Dr. Smith of the U.S. team won. He smiled.", "Dr. Smith of the U.S. team won"),
        ("Winds pass 3.5 m/s. More.", "Winds pass 3.5 m/s"),
        ("“We stay.” So said the crew.", "We stay"),
        ("Really? Yes.", "Really"),
        ("No end in sight", "No end in sight"),
    ],
)
def test_the_first_sentence_is_a_whole_one(summary: str, sentence: str) -> None:
    """Titles, initials and decimal points end no sentence."""
    assert subject_of(request({"headline": "H", "summary": summary}))[0] == f"H. {sentence}"


def test_a_made_subject_stays_short() -> None:
    """The longest article that the contract lets through gives a subject of a paragraph."""
    article = {
        "headline": "word " * 99,
        "summary": "word " * 399,
        "section": "s" * 100,
        "tags": [f"{n} " + "t" * 90 for n in range(50)],
    }
    subject, _ = subject_of(request(article, subject_hints=[f"{n} " + "h" * 190 for n in range(20)]))
    assert 400 < len(subject) < 1300


@pytest.mark.parametrize(
    ("article", "prompt", "alt"),
    [
        (STORM, None, "Storm over the harbour. Ferries stay in port as winds pass 100 km/h."),
        (TYPHOON, None, "台风逼近港口。渡轮停航，风速超过每小时100公里。"),
        (STORM, "an image of a lighthouse at dusk", "A lighthouse at dusk"),
        (STORM, "Photo showing boats", "Boats"),
        (TYPHOON, "图片：港口的渔船", "港口的渔船"),
        (TYPHOON, "a lighthouse at dusk", "台风逼近港口。渡轮停航，风速超过每小时100公里。"),
        (STORM, "港口的渔船", "Storm over the harbour. Ferries stay in port as winds pass 100 km/h."),
        ({"headline": "Who pays?"}, None, "Who pays?"),
        ({}, "a lighthouse", "A lighthouse"),
        (STORM, "-", "Storm over the harbour. Ferries stay in port as winds pass 100 km/h."),
        ({"headline": "Буря над портом"}, "a red boat", "Буря над портом"),
        ({"headline": "嵐が港に近づく"}, "赤い船", "赤い船"),
        ({"headline": "항구의 폭풍"}, "붉은 배", "붉은 배"),
        ({"headline": "OpenAI发布新模型", "locale": "zh"}, "a robot reading", "OpenAI发布新模型"),
        ({"headline": "OpenAI发布新模型", "locale": "zh"}, "机器人读报", "机器人读报"),
        ({"headline": "9/11"}, "two beams of light", "Two beams of light"),
    ],
)
def test_the_alternative_tells_the_picture_in_the_articles_language(
    article: dict[str, Any], prompt: str | None, alt: str
) -> None:
    """It is the editor's prompt where that is in the article's script, else the article; never "image of"."""
    assert alternative_of(request(article, prompt=prompt)) == alt


@given(st.text(min_size=1, max_size=500), st.none() | st.text(max_size=500), st.none() | st.text(max_size=500))
def test_no_alternative_is_too_long(headline: str, summary: str | None, prompt: str | None) -> None:
    """Whatever the text, screen readers get at most 125 characters on one line."""
    try:
        asked = request({"headline": headline, "summary": summary}, prompt=prompt)
    except ValueError:
        return  # blank text: the contract refuses it
    alt = alternative_of(asked)
    assert len(alt) <= ALT_LENGTH
    assert alt == clean(alt)
    assert has_words(alt) or not has_words(headline + (prompt or ""))


def test_terms_appear_once() -> None:
    """Terms of all sources stand in order, without repeats, in either punctuation."""
    assert terms(["nsfw, text", "Text, logo", "人脸、血，logo", "", " , "], 100) == "nsfw, text, logo, 人脸, 血"


def test_terms_keep_to_their_length() -> None:
    """The first terms, which are the default's, are the last to go."""
    assert terms(["nsfw, text", "word " * 100], 12).startswith("nsfw, text")
    assert len(terms(["nsfw, text", "word " * 100], 12)) <= 12
