"""The poll loop on records that other clients can write and aiokafka cannot read."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiokafka.producer.message_accumulator
import aiokafka.producer.producer
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from consumer.delivery.ports import Partition
from schemas import names
from schemas.cloudevents import Event, write
from tests.support.batches import MIB, batch, bomb, pack, produce, record
from tests.support.harness import Cms, Site, answer, cms, request_data, workers

if TYPE_CHECKING:
    import pytest

    from consumer.dev.embedded.kafka import KafkaServer
    from consumer.dev.embedded.s3 import S3Server


class Latin1(str):
    """A header name in Latin-1, as a C client may write it."""

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        del encoding
        return super().encode("latin-1", errors)


async def publish_transactions(desk: Cms) -> None:
    """Leave markers and an aborted record in the lane, as a transactional publisher does."""
    servers = desk.site.env["LEADART_KAFKA__BOOTSTRAP_SERVERS"]
    async with AIOKafkaProducer(bootstrap_servers=servers, transactional_id=uuid.uuid4().hex) as producer:
        for finish in (producer.commit_transaction, producer.abort_transaction):
            await producer.begin_transaction()
            await producer.send_and_wait(desk.site.topic(names.REQUESTED), b"{}", key=b"a-9")
            await finish()


async def test_every_compression_is_read(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """Publishers choose their compression; the worker reads all of Kafka's."""
    site = Site.fresh(kafka, s3).prepare()
    with workers(site, tmp_path):
        async with cms(site) as desk:
            for codec in ("gzip", "lz4", "snappy", "zstd"):
                servers = site.env["LEADART_KAFKA__BOOTSTRAP_SERVERS"]
                async with AIOKafkaProducer(bootstrap_servers=servers, compression_type=codec) as producer:
                    compressing = replace(desk, producer=producer)
                    assert (await answer(desk, await compressing.ask(request_data(f"a-{codec}"))))["pictures"]


async def test_batches_that_unpack_to_more_than_memory_cost_one_dead_letter_each(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path
) -> None:
    """Batches of 900 MB in 27 KB, of every codec, stop no other request of the lane, and take little memory."""
    site = Site.fresh(kafka, s3).prepare()
    lane = Partition(site.topic(names.REQUESTED), 0)
    many = batch(pack([record(0, b"a-many", b"{}", headers=2_000_000)], "zstd"), 1, "zstd")
    bombs = [bomb(900), bomb(60, "gzip"), bomb(40, "lz4"), bomb(5), many]
    offsets = [await produce(kafka.bootstrap_servers, lane, each) for each in bombs]
    async with cms(site) as desk:
        with workers(site, tmp_path) as (worker,):
            sound = [await desk.ask(request_data(f"a-{number}")) for number in range(12)]
            for request in sound:
                assert (await answer(desk, request))["pictures"]
            await desk.until(lambda: len(desk.records(names.DEAD_LETTER)) >= len(bombs))
            peak = peak_memory(worker.process.pid)
        await desk.settle()

    letters = [dict(letter.headers) for letter in desk.records(names.DEAD_LETTER)]
    assert sorted(int(letter["leadart-offset"] or b"") for letter in letters) == offsets
    assert {letter["leadart-reason"] for letter in letters} == {b"too_large"}
    assert {outcome["article"]["id"] for outcome in desk.outcomes() if "pictures" not in outcome} == {"a-0", "a-many"}
    assert peak < 500 * MIB


def peak_memory(pid: int) -> int:
    """Return the most bytes of memory that a process has ever had."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


async def test_header_names_that_are_not_utf8_block_no_request(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests with a Latin-1 header name are answered like the others of their batch."""
    for module in (aiokafka.producer.message_accumulator, aiokafka.producer.producer):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    site = Site.fresh(kafka, s3, TOPICS__PARTITIONS="1").prepare()
    async with cms(site) as desk:
        await publish_transactions(desk)
        servers = site.env["LEADART_KAFKA__BOOTSTRAP_SERVERS"]
        async with AIOKafkaProducer(bootstrap_servers=servers, linger_ms=200) as batching:
            sent = [await batching.send(**odd_request(site, number, bad=number % 3 == 0)) for number in range(10)]
            await asyncio.gather(*sent)
        await desk.publish(b"a-2", b"not json", [(Latin1("pr\u00e9nom"), b"x"), ("content-type", b"application/json")])
        with workers(site, tmp_path):
            await desk.until(lambda: len(desk.outcomes()) >= 12)
        await desk.settle()

    assert {f"r-{number}" for number in range(10)} <= {outcome["request_id"] for outcome in desk.outcomes()}
    assert sum("pictures" in outcome for outcome in desk.outcomes()) == 10
    dead = {record.key: dict(record.headers) for record in desk.records(names.DEAD_LETTER)}
    assert dead.keys() == {b"a-9", b"a-2"}
    assert dead[b"a-2"]["pr\\xe9nom"] == b"x"


def odd_request(site: Site, number: int, *, bad: bool) -> dict[str, Any]:
    """Return a valid request to send, with a header name that is not UTF-8 if `bad`."""
    data = request_data(f"a-1{number}")
    headers, value = write(Event(id=f"r-{number}", source="/cms", type=names.IMAGE_REQUESTED, data=data))
    extra = [(Latin1("pr\u00e9nom"), b"x")] if bad else []
    return {
        "topic": site.topic(names.REQUESTED),
        "key": data["article"]["id"].encode(),
        "value": value,
        "headers": [*headers, *extra],
    }
