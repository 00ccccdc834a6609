"""Text for the model and for readers: made safe, cut to length, joined in the article's language."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from html import unescape

from consumer.processing.sentences import EXCLAMATIONS, FULL_STOPS, QUESTIONS, asserts, first_sentence
from schemas import Article, ImageRequested

ALT_LENGTH = 125
"""Longest text alternative, in characters: screen readers pause or stop beyond."""

_HEADLINE_LENGTH = 160
_SENTENCE_LENGTH = 200
_HINT_LENGTH = 100
_HINTS = 6
_TOPIC_LENGTH = 40
_TAGS = 5

_JOINERS = "\u200c\u200d"  # Persian words and composed emoji need them
_SPECIAL = re.compile(r"<\|[^\s|<>]*\|>|<\||\|>|</?(?:think|tool_call|tool_response)>", re.IGNORECASE)
_NAME = r"[a-z][a-z0-9]*(?:-[a-z0-9]+|:[a-z][a-z0-9]*)*"  # custom elements have a hyphen, Word's a colon
_TAG = re.compile(
    rf"</?{_NAME}(?:\s[^<>]*)?/?>|<!--(?:(?!<!--|-->).)*-->|<![^<>]*>|<\?[^<>]*>",
    re.IGNORECASE,
)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)(?:\]\]>|\Z)", re.IGNORECASE)
_UNREAD = ("style", "script", "template", "noscript", "iframe", "object", "svg", "head", "xml")
_UNREAD_OPENING = re.compile(rf"<({'|'.join(_UNREAD)})(?:\s[^<>]*)?>", re.IGNORECASE)
_UNREAD_CLOSING = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in _UNREAD}
_TAG_IN_PUNCTUATION = re.compile(rf"(?:{_TAG.pattern})(?=[,.;:!?…)\]”’、。，；：！？])", re.IGNORECASE)
_OPENING = re.compile(r"<(?=[/|!?a-z])", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_AMPERSAND = re.compile(r"&(?:(?:amp|#0*38|#x0*26);)+", re.IGNORECASE)
_PASSES = 3  # more are needed only for entities nested on purpose
_WITH_HAN = {"CJK", "HIRAGANA", "KATAKANA"}
_QUOTES = str.maketrans(dict.fromkeys('"“”„«»「」『』《》'))
_END = f" {FULL_STOPS}{QUESTIONS}{EXCLAMATIONS};；,，、:："
_LEAD_IN = re.compile(
    r"^(?:(?:an?|the)\s+)?(?:image|picture|photo|photograph)\s+(?:of|showing)\s+|^图片[:：]\s*", re.IGNORECASE
)
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


def clean(text: str) -> str:
    """Return `text` as one line of NFC text without control characters, markup and the chat template's commands.

    Cleaning twice changes nothing. What is removed leaves a space, so that no new command forms across the gap.
    """
    if text.isascii() and text.isprintable() and not set("<|&") & set(text):
        return " ".join(text.split())
    kept = _plain(text)
    for _ in range(_PASSES):
        kept = _without_unread(_CDATA.sub(r" \1 ", kept))
        kept = _SPECIAL.sub(" ", _TAG.sub(" ", _TAG_IN_PUNCTUATION.sub("", kept)))
    if _TAG.search(kept) or _SPECIAL.search(kept) or _CDATA.search(kept):
        kept = _OPENING.sub("< ", kept)
    return " ".join(kept.split())


def _without_unread(text: str) -> str:
    """Drop the elements whose content no reader sees; one that is cut off within its style sheet or program, too."""
    kept, at, start = "", 0, 0
    while (opening := _UNREAD_OPENING.search(text, start)) is not None:
        name = opening[1].lower()
        closing = _UNREAD_CLOSING[name].search(text, opening.end())
        if closing is not None:
            kept, at, start = f"{kept}{text[at : opening.start()]} ", closing.end(), closing.end()
        elif name in {"style", "script"} and "{" in text[opening.end() :]:
            return kept + text[at : opening.start()]
        else:
            start = opening.end()
    return kept + text[at:]


def has_words(text: str) -> bool:
    """Return whether the text has a letter, a number or a symbol: punctuation alone cannot be painted."""
    return any(unicodedata.category(character)[0] in "LNS" for character in text)


def script_of(text: str) -> str:
    """Return the script of most letters, as Unicode's names begin: LATIN, CYRILLIC, ...; "" without any letter.

    Han letters and kana are one script, CJK, and any of them decides: a Chinese headline may name Latin brands.
    """
    found = Counter(unicodedata.name(letter, "LETTER").split()[0] for letter in text if letter.isalpha())
    return "CJK" if found.keys() & _WITH_HAN else max(found, key=found.__getitem__, default="")


def shorten(text: str, length: int, mark: str = "") -> str:
    """Return `text` cut to at most `length` characters, `mark` included, between words where there are any."""
    if len(text) <= length:
        return text
    room = length - len(mark)
    cut = text[:room]
    whole_words = cut if text[room] == " " else cut.rpartition(" ")[0]
    return (whole_words if len(whole_words) > length // 2 else cut).rstrip(_END) + mark


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
    and tags. An article's quotation marks are left out: the model would paint the words between them.
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
        headline,
        _bare(_lead(article), _SENTENCE_LENGTH),
        grammar.hints.format(hints) if hints else "",
        grammar.topics.format(topics) if topics else "",
    ]
    return grammar.stop.join(part for part in parts if part), language


def alternative_of(request: ImageRequested) -> str:
    """Return a text alternative of at most `ALT_LENGTH` characters, in the article's script.

    Made of the editor's prompt, which describes the picture best, if that is in the same script; else of the article.
    """
    article = request.article
    own, headline = clean(request.brief.prompt or ""), clean(article.headline or "")
    scripts = {script_of(own), script_of(headline)} - {""}
    if has_words(own) and (not has_words(headline) or len(scripts) < 2):
        shown = _LEAD_IN.sub("", own) or own
        return shorten(shown[:1].upper() + shown[1:], ALT_LENGTH, "…")
    grammar = _GRAMMARS.get(language_of(headline, article.locale), _WORDLESS)
    lead = _lead(article)
    whole = f"{_as_sentence(headline, grammar)}{lead}"
    return whole if lead and len(whole) <= ALT_LENGTH else shorten(headline, ALT_LENGTH, "…")


def _as_sentence(headline: str, grammar: _Grammar) -> str:
    """Return the headline as a sentence that another follows; a question or an exclamation stays one."""
    return headline.rstrip(_END) + grammar.stop if asserts(headline) else headline + grammar.stop[1:]


def terms(texts: Iterable[str], length: int) -> str:
    """Return the comma-separated terms of all `texts`, cleaned, each once, as many as fit into `length` characters."""
    found: dict[str, str] = {}
    for text in texts:
        for term in re.split("[,，、]", clean(text)):
            bare = term.strip(_END)
            found.setdefault(bare.casefold(), bare)
    found.pop("", None)
    return shorten(", ".join(found.values()), length)


def _plain(text: str) -> str:
    """Resolve HTML entities, however often they were escaped, and drop invisible characters."""
    kept = _seen(text)
    for _ in range(_PASSES):
        resolved = _ENTITY.sub(lambda found: unescape(found[0]), _AMPERSAND.sub("&", kept))
        if resolved == kept:
            return kept
        kept = _seen(resolved)
    return _ENTITY.sub(lambda found: f"& {found[0][1:]}", kept)


def _seen(text: str) -> str:
    return unicodedata.normalize("NFC", "".join(_visible(character) for character in text))


def _visible(character: str) -> str:
    match unicodedata.category(character):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cf" | "Cs":
            return character if character in _JOINERS else ""
        case _:
            return character


def _bare(text: str, length: int) -> str:
    return shorten(" ".join(clean(text).translate(_QUOTES).split()), length).strip(_END)


def _items(texts: Iterable[str], length: int) -> list[str]:
    found = {bare.casefold(): bare for text in texts if (bare := _bare(text, length))}
    return list(found.values())


def _lead(article: Article) -> str:
    text = clean(article.summary or article.standfirst or article.body_excerpt or "")
    return first_sentence(text, language_of(text, article.locale))
