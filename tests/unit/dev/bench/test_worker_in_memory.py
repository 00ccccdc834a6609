"""The worker's own composition over the in-memory twins."""

from __future__ import annotations

import asyncio

from consumer.dev.bench.worker import MemoryWorker
from consumer.engine.swatch import SwatchEngine
from consumer.jobs import Record
from consumer.pictures.encoder import PictureEncoder
from consumer.settings import Settings
from schemas import names
from schemas.cloudevents import Event, write

BOUND = 30.0


def request(number: int) -> Record:
    data = {
        "article": {"id": f"a-{number}", "revision": 1, "headline": "Storm over the harbour"},
        "output": {"width": 64, "height": 64},
        "generation": {"steps": 1},
    }
    headers, value = write(Event(id=f"r-{number}", source="/cms", type=names.IMAGE_REQUESTED, data=data))
    return Record(names.REQUESTED, 0, 0, f"a-{number}".encode(), value, tuple(headers), 0)


async def test_a_worker_is_composed_without_kafka_and_s3() -> None:
    """It becomes ready, paints what it is asked for, announces it, and is no longer ready once it has stopped."""
    settings = Settings.model_validate({"topics": {"partitions": 2}, "engine": {"swatch_seconds": 0}})
    with PictureEncoder(1) as encoder:
        async with asyncio.timeout(BOUND), SwatchEngine(settings.engine) as engine:
            worker = MemoryWorker(settings, engine, encoder)
            assert worker._health.readiness().checks["start"] == "the worker is starting"
            async with worker.working():
                assert worker._health.readiness().passed
                await worker.answer([request(number) for number in range(4)])
            assert not worker._health.readiness().passed

    assert len(worker._store.manifests) == 4
