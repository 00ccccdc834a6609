"""Unpacking a compressed batch within a bound: what it says of its own size is not trusted."""

from __future__ import annotations

import gzip
import io
import mmap
import zlib
from collections.abc import Callable

import cramjam
from aiokafka.record.default_records import DefaultRecordBase

_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16
_BLOCK_LENGTH = 4
_NO_ROOM = "failed to write whole buffer"
"""What cramjam's error says when the output is full."""


DAMAGE = (cramjam.DecompressionError, EOFError, gzip.BadGzipFile, zlib.error)
"""What a codec raises for data that it cannot unpack."""


class TooLarge(Exception):
    """There is more than the bound."""


def unpack(codec: int, packed: bytes, limit: int) -> bytes:
    """Return what a batch of this codec (Kafka's number) holds, at most `limit` bytes. Raises `TooLarge`.

    Memory taken: no more than about twice the limit. Damaged data raises one of `DAMAGE`.
    """
    data = _CODECS[codec](packed, limit)
    if len(data) > limit:
        raise TooLarge
    return data


def _plain(packed: bytes, _limit: int) -> bytes:
    return packed


def _gzip(packed: bytes, limit: int) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as members:
        return members.read(limit + 1)


def _snappy(packed: bytes, limit: int) -> bytes:
    """A snappy block states its size and unpacks to that or not at all; Java's framing holds one after the other."""
    blocks = _blocks(packed)
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > limit:
        raise TooLarge
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _blocks(packed: bytes) -> list[bytes]:
    if not packed.startswith(_XERIAL_MAGIC):
        return [packed]
    blocks, position = [], _XERIAL_HEADER
    while position < len(packed):
        start = position + _BLOCK_LENGTH
        position = start + int.from_bytes(packed[position:start], "big")
        blocks.append(packed[start:position])
    return blocks


def _into(unpack_into: Callable[[bytes, bytearray | mmap.mmap], int]) -> Callable[[bytes, int], bytes]:
    """Unpack into a buffer that cannot grow: first a small one, for most batches, then one of the whole limit."""

    def into(packed: bytes, limit: int) -> bytes:
        try:
            small = bytearray(min(limit, 8 * len(packed) + 4096))
            return bytes(memoryview(small)[: unpack_into(packed, small)])
        except cramjam.DecompressionError as error:
            if _NO_ROOM not in str(error):
                raise
        with mmap.mmap(-1, limit) as whole:  # pages count once they are written to
            try:
                return whole[: unpack_into(packed, whole)]
            except cramjam.DecompressionError as error:
                if _NO_ROOM not in str(error):
                    raise
                raise TooLarge from error

    return into


_CODECS = {
    DefaultRecordBase.CODEC_NONE: _plain,
    DefaultRecordBase.CODEC_GZIP: _gzip,
    DefaultRecordBase.CODEC_SNAPPY: _snappy,
    DefaultRecordBase.CODEC_LZ4: _into(cramjam.lz4.decompress_into),
    DefaultRecordBase.CODEC_ZSTD: _into(cramjam.zstd.decompress_into),
}
