"""Text made safe for the model: one line, plain, without anything that could command it."""

import re
import unicodedata
from typing import Final

import regex

from consumer.processing.markup import visible_text

_SPECIAL: Final = re.compile(r"<\|[^\s|<>]*\|>|<\||\|>|</?(?:think|tool_call|tool_response)>", re.IGNORECASE)
_BREAKS: Final = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}]")
# Persian words and composed emoji need the joiners, the flags of England, Scotland and Wales their tags.
_INVISIBLE: Final = regex.compile(
    r"(\N{WAVING BLACK FLAG}[\U000e0030-\U000e007a]{1,6}\U000e007f)|(?![\u200c\u200d])[\p{Cf}\p{Cs}]"
)
_OPENING: Final = re.compile(r"[<&{\[](?=\S)")
_PASSES: Final = 3  # more are needed only for markup nested on purpose


def clean(text: str) -> str:
    """Return `text` as one line of NFC text without control characters, markup and the chat template's commands.

    Cleaning twice changes nothing. Text without markup keeps every visible character.
    """
    if text.isascii() and text.isprintable() and not set("<|&{[") & set(text):
        return " ".join(text.split())
    kept = text
    for _ in range(_PASSES):
        before, kept = kept, _without_a_layer(kept)
        if kept == before:
            return kept
    if _without_a_layer(kept) == kept:
        return kept
    return _without_a_layer(_OPENING.sub(r"\g<0> ", kept))


def has_words(text: str) -> bool:
    """Return whether the text has a letter, a number or a symbol: punctuation alone cannot be painted."""
    return any(unicodedata.category(character)[0] in "LNS" for character in text)


def _without_a_layer(text: str) -> str:
    seen = unicodedata.normalize("NFC", _INVISIBLE.sub(r"\1", _BREAKS.sub(" ", text)))
    return " ".join(_SPECIAL.sub(" ", visible_text(seen)).split())
