"""Where the first sentence of a text ends, in any script and with the abbreviations that newsrooms use."""

import re
from typing import Final

QUESTIONS: Final = "?？؟፧‽⁇⁈⁉"
EXCLAMATIONS: Final = "!！…"
FULL_STOPS: Final = ".。｡।॥።۔։။។"

_GREEK: Final = r"[\u0370-\u03ff\u1f00-\u1fff]"
_GREEK_QUESTION: Final = re.compile(rf"{_GREEK};\Z")
_MARK: Final = re.compile(
    # Some scripts put no space behind a mark; Greek asks with a semicolon.
    rf"[。｡！？।॥።፧۔؟։။។]|(?<={_GREEK});(?=\s)|[.!?…‽⁇⁈⁉](?=[\"”’“»')\]]*\s)"
)
_CLOSING: Final = "\"”’“»')] "
_WORD: Final = re.compile(r"[^\W\d_]+\Z")
_ORDINAL: Final = re.compile(r"(?<![\w.,:/-])(?:\d{1,2}|[IVX]+)\Z")
_INITIAL: Final = re.compile(r" ?[^\W\d_]\.")
_DOTTED: Final = re.compile(r"\b(?:e\.g|i\.e|d\.h|u\.a|o\.ä)\Z", re.IGNORECASE)
_MONTH: Final = re.compile(r"\b(?:Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec|Okt|Dez)\Z")
_NEAR: Final = 24

_WITH_ORDINALS: Final = frozenset(
    "bs cs da de et fi fo hr hu is lb lt lv mk nb nn no pl sk sl sq sr tr".split()  # noqa: SIM905 - easier to read
)
"""Languages that write `3.` for third, as in dates."""
_ABBREVIATIONS: Final = frozenset(
    """
    Mr Mrs Ms Mx Dr Prof Rev Hon Fr Sr Jr St Mt Ft No Nos vs Gov Sen Rep Pres Amb Atty Supt Det Insp Gen Col Maj Capt
    Cmdr Adm Lt Sgt Cpl Pvt approx
    Hr Frl Hl Nr Str Dipl Ing Mio Mrd Tsd bzw ca evtl ggf inkl vgl zzgl sog geb gest
    Mme Mmes Mlle Mlles MM Mgr Pr Ste
    Sra Srta Sres Dra Dña Gral Cnel Avda Lic Arq Mons EE UU Ud Uds Exmo Exma Eng Sig Dott Avv
    Dhr dhr Mevr mevr Drs Ir nr kl Doç Sn
    ul św ks gen płk mjr kpt inż mgr dr prof im
    ул им пр просп тов акад проф св ген тыс млн млрд κα Δρ
    """.split()  # noqa: SIM905 - likewise
)
"""Words before a full stop that ends no sentence. Case counts: `Sat` is a day, `sat` is a verb."""


def first_sentence(text: str, language: str) -> str:
    """Return the first sentence of one line of text with its mark; the whole text if it has no other."""
    for mark in _MARK.finditer(text):
        before, after = text[max(mark.start() - _NEAR, 0) : mark.start()], text[mark.end() : mark.end() + _NEAR]
        if not _goes_on(before, mark[0], after, language):
            return text[: mark.end()]
    return text


def asserts(text: str) -> bool:
    """Return whether a text is a statement by its last character: neither a question nor an exclamation."""
    return not text.endswith((*QUESTIONS, *EXCLAMATIONS)) and not _GREEK_QUESTION.search(text)


def _goes_on(before: str, mark: str, after: str, language: str) -> bool:
    if after.lstrip(_CLOSING)[:1].islower():
        return True
    if mark != ".":
        return False
    word = _WORD.search(before)
    if word is not None and (word[0] in _ABBREVIATIONS or _is_initial(word[0], after)):
        return True
    if _DOTTED.search(before) or (_MONTH.search(before) and after.lstrip()[:1].isdigit()):
        return True
    return language in _WITH_ORDINALS and _ORDINAL.search(before) is not None


def _is_initial(word: str, after: str) -> bool:
    return len(word) == 1 and (word.isupper() or _INITIAL.match(after) is not None)
