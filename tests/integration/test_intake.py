"""The poll loop on real records that other clients can write and aiokafka cannot read."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import aiokafka.producer.message_accumulator
import aiokafka.producer.producer
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from schemas import names
from tests.harness import Cms, Site, answer, cms, request_data, workers

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from consumer.embedded.kafka import KafkaServer
    from consumer.embedded.s3 import S3Server


class Latin1(str):
    """A header name that a C client would write as it stands, in Latin-1."""

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        del encoding
        return super().encode("latin-1", errors)


async def publish_transactions(desk: Cms) -> None:
    """Leave a marker and an aborted record on the lane, as a transactional publisher does."""
    servers = desk.site.env["LEADART_KAFKA__BOOTSTRAP_SERVERS"]
    async with AIOKafkaProducer(bootstrap_servers=servers, transactional_id=uuid.uuid4().hex) as producer:
        for finish in (producer.commit_transaction, producer.abort_transaction):
            await producer.begin_transaction()
            await producer.send_and_wait(desk.site.topic(names.REQUESTED), b"{}", key=b"a-9")
            await finish()


async def test_a_compressed_request_is_read_like_any_other(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """Publishers choose their compression; the worker reads all that Kafka knows."""
    site = Site.fresh(kafka, s3).prepare()
    with workers(site, tmp_path):
        async with cms(site) as desk:
            for codec in ("gzip", "lz4", "snappy", "zstd"):
                servers = site.env["LEADART_KAFKA__BOOTSTRAP_SERVERS"]
                async with AIOKafkaProducer(bootstrap_servers=servers, compression_type=codec) as producer:
                    squeezing = replace(desk, producer=producer)
                    assert (await answer(desk, await squeezing.ask(request_data(f"a-{codec}"))))["pictures"]


async def test_a_record_that_cannot_be_parsed_stops_nobody(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header name that is not UTF-8 costs one dead letter that names the record; its neighbours are answered."""
    for module in (aiokafka.producer.message_accumulator, aiokafka.producer.producer):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    site = Site.fresh(kafka, s3, TOPICS__PARTITIONS="1").prepare()
    async with cms(site) as desk:
        before = await desk.ask(request_data("a-1"))
        await publish_transactions(desk)
        await desk.publish(b"a-2", b"{}", [(Latin1("prénom"), b"x")])
        after = await desk.ask(request_data("a-3"))
        with workers(site, tmp_path):
            assert (await answer(desk, before))["pictures"]
            assert (await answer(desk, after))["pictures"]
            await desk.until(lambda: len(desk.records(names.DEAD_LETTER)) >= 2)
        await desk.settle()

    told = [{name: value.decode() for name, value in letter.headers} for letter in desk.records(names.DEAD_LETTER)]
    # Offset 1 is the committed transaction's record, 2 and 4 are markers, 3 was aborted.
    assert {letter["leadart-offset"]: letter["leadart-reason"] for letter in told} == {
        "1": "not_cloudevent",
        "5": "not_utf8",
    }
