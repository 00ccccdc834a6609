"""What an owner writes beside an offset: `v1:<offset>:<finished>:<risks>:<trouble>`, empty parts at the end left out.

`finished` is a base64 bitmap of what is done above the offset. `risks` lists records that are in the engine, or were in
it when a process died: distance from the offset, deaths, and `!` while it is in the engine, joined by commas.
`trouble` is the reason code of what keeps the worker from working. Kafka keeps it all under 4 096 bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from consumer.delivery.ports import CommittedOffset

VERSION = "v1"

MAX_SPAN = 16_384
"""Offsets above the lowest unfinished one at which admission stops: its bitmap is 2.8 of the broker's 4 KB."""

_RISK = re.compile(r"(\d{1,6})\.(\d{1,3})(!?)", re.ASCII)
_TROUBLE = re.compile(r"[a-z0-9_]{0,64}", re.ASCII)


class MetadataUnreadable(ValueError):
    """The commit's metadata is not ours or does not fit its offset."""


@dataclass(frozen=True, slots=True)
class EngineExposure:
    """A record that may end its process: how many it was in the engine of when they died, and whether it is now."""

    deaths: int
    exposed: bool


@dataclass(frozen=True, slots=True)
class OffsetMetadata:
    """The metadata of one commit, with offsets and not distances."""

    finished: Collection[int] = frozenset()
    risks: Mapping[int, EngineExposure] = field(default_factory=dict)
    trouble: str = ""


def write_metadata(base: int, note: OffsetMetadata) -> str:
    """Write the note for a commit at `base`; with nothing to say it is an empty string."""
    risks = ",".join(
        f"{offset - base}.{min(risk.deaths, 999)}{'!' if risk.exposed else ''}" for offset, risk in note.risks.items()
    )
    parts = [_bitmap(base, note.finished), risks, note.trouble]
    while parts and not parts[-1]:
        parts.pop()
    return ":".join([VERSION, str(base), *parts]) if parts else ""


def read_metadata(progress: CommittedOffset) -> OffsetMetadata:
    """Read a note back. Raises `MetadataUnreadable` rather than guess: a wrong guess doubles outcomes."""
    if not progress.metadata:
        return OffsetMetadata()
    version, _, rest = progress.metadata.partition(":")
    base, *parts = rest.split(":")
    if version != VERSION or not base.isascii() or not base.isdecimal() or not 1 <= len(parts) <= 3:
        raise MetadataUnreadable(f"metadata {progress.metadata[:40]!r} is not leadart's")
    if int(base) != progress.offset:
        raise MetadataUnreadable(f"metadata is for offset {base}, but the commit is at {progress.offset}")
    bitmap, risks, trouble = [*parts, "", ""][:3]
    if not _TROUBLE.fullmatch(trouble):
        raise MetadataUnreadable(f"{trouble[:40]!r} is no reason code")
    return OffsetMetadata(_offsets(progress.offset, bitmap), _risks(progress.offset, risks), trouble)


def _bitmap(base: int, finished: Collection[int]) -> str:
    bits = 0
    for offset in finished:
        bits |= 1 << (offset - base)
    return base64.b64encode(bits.to_bytes((bits.bit_length() + 7) // 8, "little")).decode()


def _offsets(base: int, encoded: str) -> set[int]:
    try:
        bitmap = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MetadataUnreadable(f"the bitmap is not base64: {error}") from error
    if len(bitmap) > MAX_SPAN // 8:
        raise MetadataUnreadable(f"the bitmap has {len(bitmap)} bytes")
    bits = int.from_bytes(bitmap, "little")
    return {base + index for index in range(bits.bit_length()) if bits >> index & 1}


def _risks(base: int, encoded: str) -> dict[int, EngineExposure]:
    risks = {}
    for entry in encoded.split(",") if encoded else []:
        found = _RISK.fullmatch(entry)
        if not found:
            raise MetadataUnreadable(f"{entry[:40]!r} is no record at risk")
        risks[base + int(found[1])] = EngineExposure(int(found[2]), bool(found[3]))
    return risks
