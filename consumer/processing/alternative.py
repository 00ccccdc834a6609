"""The text alternative that a picture is announced with: a start for an editor, not a description of the picture."""

import re
from dataclasses import dataclass
from typing import Final

from consumer.processing.cleaning import clean, has_words
from consumer.processing.graphemes import LOOSE_ENDS, length_of, shorten
from consumer.processing.sentences import first_sentence, question_mark
from consumer.processing.styles import StylePreset
from consumer.processing.wording import hints_in, language_of, script_of, topics_in
from schemas import Article

ALT_LENGTH: Final = 250
"""Longest text alternative, in grapheme clusters."""

_LEAD_IN: Final = re.compile(
    r"^(?:(?:an?|the)\s+)?(?:image|picture|photo|photograph)\s+(?:of|showing)\s+|^图片[:：]\s*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Words:
    picture: str
    of: str
    photorealistic: str


_WORDS: Final = {
    "en": _Words("Picture", "{}: {}", "{} (AI-generated)"),
    "zh": _Words("图片", "{}：{}", "{}\uff08AI生成\uff09"),
}
_FEW_WORDS: Final = _Words("", "{}: {}", "{}")


def alternative_of(style: StylePreset, subject: str, language: str) -> str:
    """Return what kind of picture it is and what it was asked to show, in at most `ALT_LENGTH` grapheme clusters.

    `subject` is what the style's template was filled with. Headline and summary stand beside the picture anyway, so of
    an article the editor's hints are told, else section and tags, and the headline only where there is nothing else; of
    an editor's prompt, the first sentence. `language` is the article's; without words in it there is the subject alone.
    """
    words = _WORDS.get(language, _FEW_WORDS)
    asked = _LEAD_IN.sub("", subject) or subject
    shown = hints_in(subject) or topics_in(subject) or _first(asked, language)
    kind = _kind(style, language) or words.picture
    if kind and style.photorealistic:
        kind = words.photorealistic.format(kind)
    whole = words.of.format(kind, shown) if kind else shown
    return shorten(whole, length_of(whole, ALT_LENGTH), "…")


def article_language(article: Article, subject: str) -> str:
    """Return the language that the article is read in, "und" if its locale is wrong about it.

    That of a headline in another script than Latin is not English, which is what a publisher that gives none has.
    """
    text = clean(article.headline or "") or subject
    language = language_of(text, article.locale)
    return "und" if language == "en" and script_of(text) not in {"", "LATIN"} else language


def _first(asked: str, language: str) -> str:
    sentence = first_sentence(asked, language_of(asked, language))
    shown = sentence.rstrip(LOOSE_ENDS) + question_mark(sentence)
    return shown if has_words(shown) else asked


def _kind(style: StylePreset, language: str) -> str:
    """Return the style's title in that language, "" without any: its main one is English, or Chinese by its letters."""
    return style.titles.get(language) or (style.title if language == language_of(style.title, "en") else "")
