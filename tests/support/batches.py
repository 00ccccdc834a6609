"""Record batches made by hand: what a client may write, though no library would."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

import cramjam
from aiokafka import TopicPartition
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.producer import AIOKafkaProducer
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBase
from aiokafka.record.util import calc_crc32c, encode_varint

from consumer.delivery.ports import Partition

MIB: Final = 1024 * 1024
CODECS: Final = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
LEADER_SECONDS: Final = 20.0
"""How long a broker may take to know that it leads a new partition."""

TIMESTAMP_MS: Final = 1_700_000_000_000
_COMPRESSORS: Final[Mapping[str, Callable[[], Any]]] = {
    "gzip": cramjam.gzip.Compressor,
    "lz4": partial(cramjam.lz4.Compressor, block_linked=False),  # brokers read no other
    "zstd": cramjam.zstd.Compressor,
}


def record(delta: int, key: bytes, value: bytes, headers: int = 0) -> bytes:
    """Return one record, at `delta` from its batch's first offset, with that many empty headers."""
    body = b"".join([b"\0", _varint(0), _varint(delta), _varint(len(key)), key, _varint(len(value)), value])
    body += _varint(headers) + headers * (_varint(0) + _varint(-1))
    return _varint(len(body)) + body


def pack(pieces: Iterable[bytes], codec: str) -> bytes:
    """Compress pieces as one stream, in the memory of one piece (snappy: of all)."""
    if codec == "snappy":
        return bytes(cramjam.snappy.compress_raw(b"".join(pieces)))
    compressor = _COMPRESSORS[codec]()
    for piece in pieces:
        compressor.compress(piece)
    return bytes(compressor.finish())


def batch(packed: bytes, records: int, codec: str | None = None) -> bytes:
    """Return a batch of format 2 with a true checksum."""
    times = (TIMESTAMP_MS, TIMESTAMP_MS)
    number = CODECS[codec] if codec else 0
    header = DefaultRecordBase.HEADER_STRUCT.pack(0, 0, -1, 2, 0, number, records - 1, *times, -1, -1, -1, records)
    data = bytearray(header + packed)
    struct.pack_into(">i", data, 8, len(data) - DefaultRecordBase.AFTER_LEN_OFFSET)
    checksum = calc_crc32c(bytes(data[DefaultRecordBase.ATTRIBUTES_OFFSET :]))
    struct.pack_into(">I", data, DefaultRecordBase.CRC_OFFSET, checksum)
    return bytes(data)


def bomb(mebibytes: int, codec: str = "zstd") -> bytes:
    """Return a small batch of one record whose value is that many mebibytes of zeros."""
    size = mebibytes * MIB
    before = b"".join([b"\0", _varint(0), _varint(0), _varint(3), b"a-0", _varint(size)])
    length = _varint(len(before) + size + 1)
    return batch(pack([length + before, *[bytes(MIB)] * mebibytes, b"\0"], codec), 1, codec)


async def produce(servers: str, to: Partition, data: bytes) -> int:
    """Send a batch as it is; return the offset that the broker gave its first record."""
    request = ProduceRequest(None, -1, 30_000, [(to.topic, [(to.number, data)])])
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer, asyncio.timeout(LEADER_SECONDS):
        while True:
            await producer.partitions_for(to.topic)
            leader = producer.client.cluster.leader_for_partition(TopicPartition(*to))
            answer = await producer.client.send(leader, request)
            ((_topic, ((_partition, code, offset, *_), *_)), *_) = answer.topics
            if code != NotLeaderForPartitionError.errno:
                break
            await producer.client.force_metadata_update()
    assert code == 0, code
    return int(offset)


def _varint(number: int) -> bytes:
    written = bytearray()
    encode_varint(number, written.append)
    return bytes(written)
