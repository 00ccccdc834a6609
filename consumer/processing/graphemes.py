"""Text cut to length where a reader sees characters end: no accent, vowel sign or joined emoji is taken apart."""

from itertools import islice
from typing import Final

import regex

from consumer.processing.sentences import EXCLAMATIONS, FULL_STOPS, QUESTIONS

LOOSE_ENDS: Final = f" {FULL_STOPS}{QUESTIONS}{EXCLAMATIONS};；,，、:："
"""Spaces and marks that no text should end with where it goes on."""

_LOOSE: Final = frozenset(LOOSE_ENDS)
_CLUSTER: Final = regex.compile(r"\X")


def shorten(text: str, length: int, mark: str = "") -> str:
    """Return `text` cut to at most `length` code points, `mark` included, between words where there are any."""
    if len(text) <= length:
        return text
    room = length - len(mark)
    kept: list[str] = []
    size = whole_words = 0
    for cluster in _CLUSTER.finditer(text):
        if cluster[0] == " " and size > length // 2:
            whole_words = len(kept)
        size += len(cluster[0])
        if size > room:
            break
        kept.append(cluster[0])
    del kept[whole_words or len(kept) :]
    while kept and kept[-1] in _LOOSE:
        kept.pop()
    return "".join(kept) + mark


def length_of(text: str, graphemes: int) -> int:
    """Return how many code points the first `graphemes` grapheme clusters of `text` have."""
    return sum(len(cluster[0]) for cluster in islice(_CLUSTER.finditer(text), graphemes))
