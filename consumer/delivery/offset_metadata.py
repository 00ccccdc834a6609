"""The metadata an owner commits beside an offset: `v1:<offset>:<finished>:<exposures>:<outage>`, empty tail omitted.

Its beginning is there even when there is nothing to say: it shows whose commit it is.

`finished` is a base64 bitmap of the offsets finished above the commit. `exposures` lists records that are in the
engine, or were when a process died: distance from the offset, deaths, and `!` while in the engine, joined by commas.
`outage` is the reason code of what keeps the worker from working. Kafka keeps at most 4 096 bytes of it all.
"""

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from consumer.delivery.ports import CommittedOffset

VERSION = "v1"

MAX_SPAN = 16_384
"""Offsets above the lowest unfinished one at which admission stops: its bitmap is 2.8 of the broker's 4 KB."""

_EXPOSURE = re.compile(r"(\d{1,6})\.(\d{1,3})(!?)", re.ASCII)
_OUTAGE = re.compile(r"[a-z0-9_]{0,64}", re.ASCII)


class MetadataUnreadable(ValueError):
    """The commit's metadata is not ours or does not fit its offset."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """A record that may have killed a process: how many died with it in their engine, and whether it is in one now."""

    deaths: int
    in_engine: bool


@dataclass(frozen=True, slots=True)
class OffsetMetadata:
    """The metadata of one commit, with offsets instead of distances."""

    finished: Collection[int] = frozenset()
    exposures: Mapping[int, Exposure] = field(default_factory=dict)
    outage: str = ""


def write_metadata(base: int, metadata: OffsetMetadata) -> str:
    """Encode the metadata of a commit at `base`."""
    exposures = ",".join(
        f"{offset - base}.{min(exposure.deaths, 999)}{'!' if exposure.in_engine else ''}"
        for offset, exposure in metadata.exposures.items()
    )
    parts = [_bitmap(base, metadata.finished), exposures, metadata.outage]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return ":".join([VERSION, str(base), *parts])


def has_mark(committed: CommittedOffset) -> bool:
    """Return whether leadart made this commit; one of a version that wrote no metadata has no mark either."""
    return committed.metadata.startswith(f"{VERSION}:")


def read_metadata(committed: CommittedOffset) -> OffsetMetadata:
    """Decode a commit's metadata. Raises `MetadataUnreadable` rather than guess: a wrong guess doubles outcomes."""
    if not committed.metadata:
        return OffsetMetadata()
    version, _, rest = committed.metadata.partition(":")
    base, *parts = rest.split(":")
    if version != VERSION or not base.isascii() or not base.isdecimal() or not 1 <= len(parts) <= 3:
        raise MetadataUnreadable(f"metadata {committed.metadata[:40]!r} is not leadart's")
    if int(base) != committed.offset:
        raise MetadataUnreadable(f"metadata is for offset {base}, but the commit is at {committed.offset}")
    bitmap, exposures, outage = [*parts, "", ""][:3]
    if not _OUTAGE.fullmatch(outage):
        raise MetadataUnreadable(f"{outage[:40]!r} is no reason code")
    return OffsetMetadata(_offsets(committed.offset, bitmap), _exposures(committed.offset, exposures), outage)


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


def _exposures(base: int, encoded: str) -> dict[int, Exposure]:
    exposures = {}
    for entry in encoded.split(",") if encoded else []:
        found = _EXPOSURE.fullmatch(entry)
        if not found:
            raise MetadataUnreadable(f"{entry[:40]!r} is no engine exposure")
        exposures[base + int(found[1])] = Exposure(int(found[2]), bool(found[3]))
    return exposures
