"""Words and names in a text: found whole, however they are written. Pure.

A word begins and ends where its script says so. Latin, Cyrillic, Arabic and others have word boundaries; Chinese,
Japanese, Thai, Lao, Khmer, Burmese and Tibetan have none between words; Korean words begin at one and end with any
particle. Inflection is not attempted: a list has every form of a word that counts.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from itertools import accumulate
from typing import Final, NamedTuple

import regex

from consumer.processing.cleaning import clean

_UNSPACED: Final = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_SPACED: Final = rf"[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}\p{{Hangul}}]]"
_BEGIN: Final = regex.compile(
    rf"""(?V1)
      [[{_UNSPACED}]--\p{{M}}]
    | (?<![\p{{Hangul}}{_SPACED}])\p{{Hangul}}
    | (?<!{_SPACED})[{_SPACED}--\p{{M}}]
    | [^\p{{L}}\p{{N}}\p{{M}}\s]
    """,
    regex.VERBOSE,
)
_END: Final = regex.compile(
    rf"(?V1)(?<={_SPACED})(?!{_SPACED})|(?<=[^\s{_SPACED}])(?!\p{{M}})",
)
_INVISIBLE: Final = regex.compile(r"[\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}]")
_SPACES: Final = regex.compile(r"[\s\p{Cc}]")
_DASHES: Final = regex.compile(r"[\p{Pd}−]")
_SAME: Final = str.maketrans(dict.fromkeys("‘’‛ʼʻ′´`＇ꞌ", "'") | dict.fromkeys("・･‧•", "·"))
_CLUSTER: Final = regex.compile(r"\X")

_PREFIX: Final = 3
"""Characters by which a list is indexed: in the largest one (every name of a country) few entries share them."""


def fold(text: str) -> str:
    """Return the text as it is compared: without case, width, invisible characters, kinds of apostrophe and of dash.

    Composed and decomposed characters are equal, and so are all four forms of i, which Turkish tells apart. Accents
    count: "Müller" is not "Muller".
    """
    if text.isascii() and text.isprintable():
        return text.lower().replace("`", "'")
    seen = _SPACES.sub(" ", _DASHES.sub("-", _INVISIBLE.sub("", text).translate(_SAME)))
    folded = unicodedata.normalize("NFKC", seen).casefold().replace("i\u0307", "i").replace("ı", "i")
    return unicodedata.normalize("NFKC", folded)


class Found(NamedTuple):
    """Where an entry of a list is in a folded text."""

    start: int
    stop: int


class FoldedText:
    """A text of an article as its reader sees it, ready to be searched."""

    def __init__(self, text: str) -> None:
        self._seen = clean(text)
        self.folded = fold(self._seen)

    @cached_property
    def begins(self) -> tuple[int, ...]:
        """Where a word may begin."""
        return tuple(found.start() for found in _BEGIN.finditer(self.folded))

    @cached_property
    def ends(self) -> frozenset[int]:
        """Where a word may end."""
        return frozenset(found.start() for found in _END.finditer(self.folded))

    def original(self, found: Found) -> str:
        """Return what was found as it is written in the text."""
        clusters: list[str] = _CLUSTER.findall(self._seen)
        stops = list(accumulate(len(fold(cluster)) for cluster in clusters))
        if not stops or stops[-1] != len(self.folded):
            return self.folded[found.start : found.stop]
        spans = zip(clusters, [0, *stops], stops, strict=False)
        return "".join(cluster for cluster, start, stop in spans if start < found.stop and stop > found.start)


class WordList:
    """Words, names and phrases to look for. The time to search a text hardly depends on how many there are."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = frozenset(folded for entry in entries if (folded := " ".join(fold(entry).split())))
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for entry in self._entries:
            lengths[entry[:_PREFIX]].add(len(entry))
        self._lengths = {prefix: sorted(found, reverse=True) for prefix, found in lengths.items()}
        self._prefixes = sorted({len(prefix) for prefix in self._lengths}, reverse=True)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, text: FoldedText) -> Found | None:
        """Return where the first entry is in the text, the longest of those that begin there; None without any."""
        folded, ends = text.folded, text.ends
        for start in text.begins:
            for prefix in self._prefixes:
                for length in self._lengths.get(folded[start : start + prefix], ()):
                    stop = start + length
                    if stop in ends and folded[start:stop] in self._entries:
                        return Found(start, stop)
        return None
