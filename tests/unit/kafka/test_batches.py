"""What a fetch returned is read within bounds; a record stands for what is beyond them."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from consumer.kafka.batches import HEADERS, RECORDS, BoundedRecords, NotRead, ReadingLimits
from tests.support.batches import CODECS, MIB, TIMESTAMP_MS, batch, bomb, pack, record

LIMIT = 4 * MIB
ANY_PARSER = pytest.mark.parametrize("tolerant", [False, True])


def read(data: bytes, *, tolerant: bool = False) -> list[Any]:
    """Read all batches as aiokafka's fetcher does."""
    batches, found = BoundedRecords(data, ReadingLimits(LIMIT, tolerant)), list[Any]()
    while batches.has_next():
        one = batches.next_batch()
        assert one.validate_crc()
        assert not one.is_control_batch
        found += one
    return found


def outline(found: list[Any]) -> list[tuple[int, bytes | None, bool]]:
    """Return offset, key and whether it was read, of each record."""
    return [(one.offset, one.key, not isinstance(one.value, NotRead)) for one in found]


@ANY_PARSER
@pytest.mark.parametrize("codec", [None, *CODECS])
def test_ordinary_batches_are_read_as_they_are(codec: str | None, *, tolerant: bool) -> None:
    """Within the bounds nothing differs from what aiokafka reads by itself, whatever the codec."""
    pieces = [record(0, b"a-1", b"one", headers=3), record(1, b"a-2", b"x" * 5000)]
    data = batch(pack(pieces, codec) if codec else b"".join(pieces), 2, codec)
    theirs = list(MemoryRecords(data).next_batch())

    found = read(data + data, tolerant=tolerant)

    assert [(one.offset, one.timestamp, one.key, one.value, one.headers) for one in found] == 2 * [
        (one.offset, one.timestamp, one.key, one.value, one.headers) for one in theirs
    ]


@pytest.mark.parametrize("codec", CODECS)
def test_one_record_stands_for_a_batch_that_is_too_large(codec: str) -> None:
    """It is at the batch's last offset, says which batch and which setting, and what follows is read."""
    following = batch(record(0, b"a-9", b"after"), 1)
    packed = pack([record(0, b"a-0", b"before"), record(1, b"a-1", bytes(5 * MIB)), record(2, b"a-2", b"b")], codec)

    stand_in, after = read(batch(packed, 3, codec) + following)

    assert outline([stand_in, after]) == [(2, None, False), (0, b"a-9", True)]
    assert stand_in.timestamp == TIMESTAMP_MS
    assert b"at offsets 0 to 2 unpacks to more than 4194304 bytes" in stand_in.value
    assert b"LEADART_KAFKA__MAX_BATCH_BYTES" in stand_in.value


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4"])
def test_one_record_stands_for_a_batch_that_cannot_be_unpacked(codec: str) -> None:
    """Java's readers, and so brokers, stop where the data ends and take what no other reader can unpack."""
    packed = pack([record(0, b"a-0", b"one"), record(1, b"a-1", b"two")], codec) + b"garbage"
    following = batch(record(0, b"a-9", b"after"), 1)

    stand_in, after = read(batch(packed, 2, codec) + following)

    assert outline([stand_in, after]) == [(1, None, False), (0, b"a-9", True)]
    assert stand_in.value.reason == "not_json"
    assert b"at offsets 0 to 1 cannot be unpacked" in stand_in.value


def test_a_batch_that_is_large_as_it_comes_is_too_large() -> None:
    """The bound holds for what is not compressed, too."""
    assert outline(read(batch(record(0, b"a-1", bytes(5 * MIB)), 1))) == [(0, None, False)]


@ANY_PARSER
def test_one_record_beyond_the_bounds_costs_only_itself(*, tolerant: bool) -> None:
    """A large record, and one of many headers, keep their key and place; their neighbours are read."""
    pieces = [
        record(0, b"a-1", b"sound"),
        record(1, b"a-2", bytes(MIB + 1)),
        record(2, b"a-3", b"sound", headers=HEADERS),
        record(3, b"a-4", b"", headers=HEADERS + 1),
        record(4, b"k" * 2000, bytes(MIB)),
        record(5, b"a-6", b"sound"),
    ]

    found = read(batch(pack(pieces, "zstd"), 6, "zstd"), tolerant=tolerant)

    assert outline(found) == [
        (0, b"a-1", True),
        (1, b"a-2", False),
        (2, b"a-3", True),
        (3, b"a-4", False),
        (4, None, False),
        (5, b"a-6", True),
    ]
    assert b"was not read" in found[1].value


def test_millions_of_records_are_too_large() -> None:
    """A batch within its bytes may not hold more records than a fetch is for."""
    data = batch(pack([record(0, b"", b"") * (RECORDS + 1)], "zstd"), RECORDS + 1, "zstd")

    assert outline(read(data)) == [(RECORDS, None, False)]


@pytest.mark.parametrize(("magic", "codec"), [(0, "gzip"), (0, "snappy"), (1, "gzip"), (1, "snappy"), (1, "lz4")])
def test_the_formats_before_headers_are_bounded(magic: int, codec: str) -> None:
    """A wrapper of format 0 or 1 that is too large is one record; within the bounds its records are read."""

    def wrapped(*values: bytes) -> bytes:
        builder = LegacyRecordBatchBuilder(magic, CODECS[codec], 10 * MIB)
        for offset, value in enumerate(values):
            builder.append(offset, TIMESTAMP_MS, b"a-1", value)
        data = bytearray(builder.build())
        struct.pack_into(">q", data, 0, len(values) - 1)  # as a broker does
        return bytes(data)

    assert [one.value for one in read(wrapped(b"one", b"two"))] == [b"one", b"two"]
    assert outline(read(wrapped(bytes(3 * MIB), bytes(2 * MIB)))) == [(1, None, False)]
    assert outline(read(wrapped(bytes(2 * MIB), b"two"))) == [(0, b"a-1", False), (1, b"a-1", True)]


def test_legacy_records_without_a_wrapper_are_read() -> None:
    """Uncompressed, each record of the old formats is a batch of its own."""
    builder = LegacyRecordBatchBuilder(1, 0, MIB)
    for offset in range(3):
        builder.append(offset, TIMESTAMP_MS, b"a-1", b"value")

    assert outline(read(bytes(builder.build()))) == [(offset, b"a-1", True) for offset in range(3)]


def test_bombs_are_small() -> None:
    """What these tests guard against fits into any topic: 900 MB in under 32 KiB."""
    assert len(bomb(900)) < 32 * 1024
