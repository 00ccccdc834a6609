"""All mutation kinds, and the run's records: the same seed and length give the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from tests.fuzz import decisions, envelope, fields, rubbish
from tests.fuzz.case import Case, Codec, Draft, Raw

SEED: Final = 20261123
VALID: Final = "valid request"
VALID_EVERY: Final = 50

KINDS: Final[dict[str, tuple[int, Callable[[Random], Raw]]]] = {
    "random bytes": (8, rubbish.random_bytes),
    "random value": (4, rubbish.random_value),
    "truncated": (6, rubbish.truncated),
    "bytes flipped": (8, rubbish.flipped),
    "wrong encoding": (4, rubbish.wrong_encoding),
    "null or empty": (3, rubbish.nothing),
    "other documents": (5, rubbish.other_documents),
    "deep nesting": (3, rubbish.deep),
    "impossible numbers": (6, rubbish.numbers),
    "huge value": (1, rubbish.huge),
    "swelling batch": (1, rubbish.swelling),
    "field dropped": (6, fields.dropped),
    "field twice": (6, fields.duplicated),
    "field retyped": (10, fields.retyped),
    "field out of bounds": (10, fields.out_of_bounds),
    "hostile text": (12, fields.hostile_text),
    "several fields": (6, fields.several),
    "unknown fields": (3, fields.unknown_fields),
    "header missing": (4, envelope.missing_header),
    "header twice": (4, envelope.doubled_header),
    "header casing": (2, envelope.casing),
    "header values": (6, envelope.header_values),
    "hostile attributes": (8, envelope.hostile_attributes),
    "content types": (5, envelope.content_types),
    "modes mixed": (4, envelope.mixed_modes),
    "odd header names": (4, envelope.odd_names),
    "header names not UTF-8": (3, envelope.names_not_utf8),
    "other headers": (3, envelope.strangers),
    "forged headers": (3, envelope.forged),
    "types and versions": (4, envelope.newer_types),
    "whole events": (6, envelope.whole_events),
    "keys": (8, envelope.keys),
    "serializer's wrapping": (8, envelope.wrapped),
    "joiners in ids": (3, envelope.joined_ids),
    "path-like ids": (3, envelope.path_ids),
    "decisions": (4, decisions.valid),
    "broken decisions": (10, decisions.broken),
}
"""Name, share and maker of every kind of malformed record."""

NOT_UTF8: Final = "header names not UTF-8"


def case(number: int, *, strict: bool = False, seed: int = SEED) -> Case:
    """Make record `number`; `strict` leaves out the kind that switches the worker to its tolerant parser."""
    dice = Random(f"{seed}:{number}")
    codec = dice.choice(list(Codec))
    if number % VALID_EVERY == 0:
        return Case(number, VALID, Draft.fresh(dice).either_mode(dice), codec)
    shares = {kind: share for kind, (share, _) in KINDS.items() if not (strict and kind == NOT_UTF8)}
    (kind,) = dice.choices(list(shares), list(shares.values()))
    raw = KINDS[kind][1](dice)
    return Case(number, kind, raw, raw.codec or codec)


def corpus(count: int, seed: int = SEED) -> Iterator[Case]:
    """Make so many records; the first half without the kind that makes the worker's parser tolerant for good.

    The first of that kind is the one that the worker tells of, so it is the worst: with a name of 50 KB.
    """
    first = 3 * (count // 6 + 1)
    for number in range(count):
        if number == first:
            # The publisher begins with the lowest partition and with gzip: nothing of the kind comes before it.
            raw = envelope.long_name_not_utf8(Random(f"{seed}:{number}"))
            yield Case(number, NOT_UTF8, raw, Codec.GZIP)
        else:
            yield case(number, strict=number < first, seed=seed)
