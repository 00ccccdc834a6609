"""Text for the model and for readers: made safe, cut to length, joined in the article's language."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from consumer.processing.cleaning import clean, has_words
from consumer.processing.graphemes import LOOSE_ENDS, shorten
from consumer.processing.sentences import first_sentence, question_mark
from schemas import Article, ImageRequested

_HEADLINE_LENGTH = 160
_SENTENCE_LENGTH = 200
_HINT_LENGTH = 100
_HINTS = 6
_TOPIC_LENGTH = 40
_TAGS = 5

_WITH_HAN = {"CJK", "HIRAGANA", "KATAKANA"}
_QUOTES = str.maketrans(dict.fromkeys('"“”„«»「」『』《》'))
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]")
_OTHER_LETTERS = re.compile(r"[A-Za-z\u3040-\u30ff\uac00-\ud7a3]")


@dataclass(frozen=True, slots=True)
class _Grammar:
    stop: str
    comma: str
    hints: str = "{}"
    topics: str = "{}"


_GRAMMARS = {
    "en": _Grammar(". ", ", ", "Showing {}", "Topics: {}"),
    "zh": _Grammar("。", "、", "画面中有{}", "主题：{}"),
}
_WORDLESS = _Grammar(". ", ", ")
_SHOWING = re.compile(
    r"(?:\. |(?<=[?;]) )Showing (.+?)(?=\. Topics: |\Z)|(?:。|(?<=[？?]))画面中有(.+?)(?=。主题：|\Z)"
)
_TOPICS = re.compile(r"(?:\. |(?<=[?;]) )Topics: (.+)\Z|(?:。|(?<=[？?]))主题：(.+)\Z")


def script_of(text: str) -> str:
    """Return the script of most letters, as Unicode's names begin: LATIN, CYRILLIC, ...; "" without any letter.

    Han letters and kana are one script, CJK, and any of them decides: a Chinese headline may name Latin brands.
    """
    found = Counter(unicodedata.name(letter, "LETTER").split()[0] for letter in text if letter.isalpha())
    return "CJK" if found.keys() & _WITH_HAN else max(found, key=found.__getitem__, default="")


def language_of(text: str, locale: str) -> str:
    """Return the language code of `text` in an article of that locale.

    The locale decides unless the letters contradict it: publishers forget it (then it is "en"), and editors of a
    Chinese article may write their prompt in English.
    """
    language = re.split("[-_]", locale, maxsplit=1)[0].lower()
    has_han = bool(_HAN.search(text))
    if language == "zh" and not has_han:
        return "en"
    if language == "en" and has_han and not _OTHER_LETTERS.search(text):
        return "zh"
    return language


def subject_of(request: ImageRequested) -> tuple[str, str]:
    """Return what the picture shows, without a full stop, and its language; ("", "") if there is no usable word.

    The editor's prompt, or else the article's headline, the first sentence of its summary, the editor's hints, section
    and tags. An article's quotation marks are left out: the model would paint the words between them. A headline that
    asks keeps its question mark.
    """
    article = request.article
    if has_words(own := clean(request.brief.prompt or "").rstrip(" .。")):
        return own, language_of(own, article.locale)
    headline = _bare(article.headline or "", _HEADLINE_LENGTH)
    if not has_words(headline):
        return "", ""
    language = language_of(headline, article.locale)
    grammar = _GRAMMARS.get(language, _WORDLESS)
    hints = grammar.comma.join(_items(request.brief.subject_hints, _HINT_LENGTH)[:_HINTS])
    topics = grammar.comma.join(_items([article.section or "", *article.tags], _TOPIC_LENGTH)[: _TAGS + 1])
    parts = [
        _bare(_lead(article), _SENTENCE_LENGTH),
        grammar.hints.format(hints) if hints else "",
        grammar.topics.format(topics) if topics else "",
    ]
    mark, rest = question_mark(clean(article.headline or "")), grammar.stop.join(part for part in parts if part)
    stop = grammar.stop[1:] if mark else grammar.stop
    return f"{headline}{mark}{stop}{rest}" if rest else headline + mark, language


def hints_in(subject: str) -> str:
    """Return the editor's hints in a subject as `subject_of` makes it from an article; "" without any."""
    hints = _SHOWING.search(subject)
    return hints[1] or hints[2] if hints else ""


def topics_in(subject: str) -> str:
    """Return section and tags in a subject as `subject_of` makes it from an article; "" without any."""
    topics = _TOPICS.search(subject)
    return topics[1] or topics[2] if topics else ""


def terms(texts: Iterable[str], length: int) -> str:
    """Return the comma-separated terms of all `texts`, cleaned, each once, as many as fit into `length` characters."""
    found: dict[str, str] = {}
    for text in texts:
        for term in re.split("[,，、]", clean(text)):
            bare = term.strip(LOOSE_ENDS)
            found.setdefault(bare.casefold(), bare)
    found.pop("", None)
    return shorten(", ".join(found.values()), length)


def _bare(text: str, length: int) -> str:
    return shorten(" ".join(clean(text).translate(_QUOTES).split()), length).strip(LOOSE_ENDS)


def _items(texts: Iterable[str], length: int) -> list[str]:
    found = {bare.casefold(): bare for text in texts if (bare := _bare(text, length))}
    return list(found.values())


def _lead(article: Article) -> str:
    text = clean(article.summary or article.standfirst or article.body_excerpt or "")
    return first_sentence(text, language_of(text, article.locale))
