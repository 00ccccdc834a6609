"""A batch is unpacked within its bound, whatever it says of itself."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import cramjam
import pytest
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.unpacking import TooLarge, unpack
from tests.support.batches import CODECS, MIB, pack

LIMIT = 4 * MIB
XERIAL = snappy_encode(b"")
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip_encode,
    "snappy": snappy_encode,
    "lz4": lz4_encode,
    "zstd": zstd_encode,
}
CODEC = pytest.mark.parametrize("codec", CODECS)


@CODEC
@pytest.mark.parametrize("size", [1, 5000, LIMIT - 1, LIMIT])
def test_what_fits_is_unpacked(codec: str, size: int) -> None:
    """Up to the limit itself every codec gives back what was packed."""
    data = (bytes(range(256)) * (size // 256 + 1))[:size]

    assert unpack(CODECS[codec], ENCODERS[codec](data), LIMIT) == data


@CODEC
@pytest.mark.parametrize("size", [LIMIT + 1, 200 * MIB])
def test_what_does_not_fit_is_too_large(codec: str, size: int) -> None:
    """One byte more than the limit is refused, and so is fifty times as much."""
    pieces = [bytes(MIB)] * (size // MIB) + [bytes(size % MIB)]
    with pytest.raises(TooLarge):
        unpack(CODECS[codec], pack(pieces, codec), LIMIT)


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_frames_count_together(codec: str) -> None:
    """Frames behind one another, each within the limit, are too large together."""
    frame = pack([bytes(MIB)] * 3, codec)

    assert len(unpack(CODECS[codec], frame, LIMIT)) == 3 * MIB
    with pytest.raises(TooLarge):
        unpack(CODECS[codec], 2 * frame, LIMIT)


def test_raw_snappy_is_read() -> None:
    """Clients other than Java's write one block without framing."""
    assert unpack(CODECS["snappy"], bytes(cramjam.snappy.compress_raw(b"request" * 1000)), LIMIT) == b"request" * 1000


def test_java_blocks_count_together() -> None:
    """Blocks of Java's snappy framing, each within the limit, are too large together."""
    block = bytes(cramjam.snappy.compress_raw(bytes(3 * MIB)))
    framed = struct.pack(">i", len(block)) + block

    assert len(unpack(CODECS["snappy"], XERIAL + framed, LIMIT)) == 3 * MIB
    with pytest.raises(TooLarge):
        unpack(CODECS["snappy"], XERIAL + 2 * framed, LIMIT)


def test_a_stated_size_is_not_believed() -> None:
    """Snappy states its size first: four gigabytes are refused unread, and less than there is is damage."""
    with pytest.raises(TooLarge):
        unpack(CODECS["snappy"], b"\xff\xff\xff\xff\x0fabc", LIMIT)
    with pytest.raises(cramjam.DecompressionError):
        unpack(CODECS["snappy"], b"\x05" + bytes(cramjam.snappy.compress_raw(bytes(100)))[1:], LIMIT)


@pytest.mark.parametrize("size", [-1, -4, 2**31 - 1])
def test_a_block_size_that_lies_ends(size: int) -> None:
    """A negative or far too large block size of Java's framing is damage, not an endless loop."""
    with pytest.raises(cramjam.DecompressionError):
        unpack(CODECS["snappy"], XERIAL + struct.pack(">i", size) + b"\x64abcdef", LIMIT)


@CODEC
@given(data=st.binary(max_size=200), cut=st.integers(0, 20))
def test_damage_is_an_error_and_never_too_large(codec: str, data: bytes, cut: int) -> None:
    """Rubbish, and what was cut short, raises the codec's error: it is not taken for a large batch."""
    packed = ENCODERS[codec](b"request" * 200)
    for damaged in (data, packed[: len(packed) // 2 + cut], packed[:20] + data):
        try:
            assert len(unpack(CODECS[codec], damaged, LIMIT)) <= LIMIT
        except TooLarge:
            assert codec == "snappy"  # states its size, which damage may raise
        except (cramjam.DecompressionError, EOFError, OSError, zlib.error):
            continue
