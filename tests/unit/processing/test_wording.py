from __future__ import annotations

from typing import Any

import pytest

from consumer.processing.wording import (
    hints_in,
    language_of,
    subject_of,
    terms,
)
from schemas import ImageRequested
from tests.support.articles import STORM, TYPHOON


def request(article: dict[str, Any] | None = None, **brief: Any) -> ImageRequested:
    return ImageRequested.model_validate({"article": {"id": "a-1", "revision": 1, **(article or {})}, "brief": brief})


@pytest.mark.parametrize(
    ("headline", "summary", "locale", "subject"),
    [
        ("Mayor guilty?", "The court rules on Friday. More.", "en", "Mayor guilty? The court rules on Friday"),
        ("“Mayor guilty?!”", "The court rules.", "en", "Mayor guilty? The court rules"),
        ("Ένοχος ο δήμαρχος;", "Το δικαστήριο αποφασίζει.", "el", "Ένοχος ο δήμαρχος; Το δικαστήριο αποφασίζει"),
        ("هل تمطر غدا؟", "الرياح تهدأ.", "ar", "هل تمطر غدا؟ الرياح تهدأ"),
        ("市长受贿？", "法院周五宣判。", "zh-CN", "市长受贿？法院周五宣判"),
        ("Who pays?", None, "en", "Who pays?"),
        ("Stop!", "It is enough.", "en", "Stop. It is enough"),
    ],
)
def test_a_headline_that_asks_asserts_nothing(headline: str, summary: str | None, locale: str, subject: str) -> None:
    """A question stays one, in every script: without its mark it would be a statement, and perhaps a libel."""
    assert subject_of(request({"headline": headline, "summary": summary, "locale": locale}))[0] == subject


@pytest.mark.parametrize("headline", ["Storm over the harbour", "Who pays?", "台风逼近港口", "市长受贿？"])
@pytest.mark.parametrize("more", [{}, {"summary": "Ferries stay. More."}, {"tags": ["storm", "sea"]}])
@pytest.mark.parametrize("hints", [[], ["fishing boats"], ["渔船", "St. Mary's. A pier"]])
def test_the_hints_are_found_again_in_a_subject(headline: str, more: dict[str, Any], hints: list[str]) -> None:
    """Whatever stands around them, in both languages that have words for it."""
    subject, language = subject_of(request({"headline": headline, **more}, subject_hints=hints))
    assert hints_in(subject) == ("、" if language == "zh" else ", ").join(hints)


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


def test_terms_appear_once() -> None:
    """Terms of all sources stand in order, without repeats, in either punctuation."""
    assert terms(["nsfw, text", "Text, logo", "人脸、血，logo", "", " , "], 100) == "nsfw, text, logo, 人脸, 血"


def test_terms_keep_to_their_length() -> None:
    """The first terms, which are the default's, are the last to go."""
    assert terms(["nsfw, text", "word " * 100], 12).startswith("nsfw, text")
    assert len(terms(["nsfw, text", "word " * 100], 12)) <= 12
