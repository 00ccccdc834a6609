"""The poll loop on real records that other clients can write and aiokafka cannot read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiokafka.producer.message_accumulator
import aiokafka.producer.producer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from schemas import names
from tests.harness import Site, answer, cms, request_data, workers

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


async def test_a_record_that_cannot_be_parsed_stops_nobody(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header name that is not UTF-8 costs one dead letter that names the record; its neighbours are answered."""
    for module in (aiokafka.producer.message_accumulator, aiokafka.producer.producer):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    site = Site.fresh(kafka, s3, TOPICS__PARTITIONS="1").prepare()
    async with cms(site) as desk:
        before = await desk.ask(request_data("a-1"))
        await desk.publish(b"a-2", b"{}", [(Latin1("prénom"), b"x")])
        after = await desk.ask(request_data("a-3"))
        with workers(site, tmp_path):
            assert (await answer(desk, before))["pictures"]
            assert (await answer(desk, after))["pictures"]
            await desk.until(lambda: bool(desk.records(names.DEAD_LETTER)))
        await desk.settle()

    (letter,) = desk.records(names.DEAD_LETTER)
    told = {name: value.decode() for name, value in letter.headers}
    assert (told["leadart-reason"], told["leadart-offset"], told["leadart-unreadable"]) == ("not_utf8", "1", "true")
