"""Lanes on real servers: a backfill is in nobody's way, and comes to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from schemas.cloudevents import Event, write
from tests.support.harness import Cms, Site, answer, cms, request_data, workers

BACKLOG = 40


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3).prepare()


async def fill(desk: Cms) -> None:
    """Publish a backfill that takes its lane's two hands many seconds."""
    for number in range(BACKLOG):
        data = request_data(f"b-{number}")
        headers, value = write(Event(id=f"b-{number}", source="/cms/test", type=names.IMAGE_REQUESTED, data=data))
        await desk.publish(f"b-{number}".encode(), value, headers, names.BACKFILL)


async def test_a_full_backfill_delays_no_save(site: Site, tmp_path: Path) -> None:
    """With the backfill's hands full a save and an editor's request are read and painted at once; the backfill ends."""
    slow = site.changed(ENGINE__SWATCH_SECONDS="0.5", WORKER__JOBS_IN_HAND="2", ENGINE__WINDOW="2")
    with workers(slow, tmp_path):
        async with cms(site) as desk:
            await fill(desk)
            await desk.until(lambda: len(desk.outcomes()) >= 2)
            saved = await desk.ask(request_data("a-1"))
            asked = await desk.ask({**request_data("a-2"), "priority": "interactive"})
            ready = [await answer(desk, request) for request in (saved, asked)]
            before = len(desk.outcomes()) - len(ready)
            await desk.until(lambda: len(desk.outcomes()) == BACKLOG + 2)

    assert [one["ce"]["type"] for one in ready] == [names.IMAGE_READY] * 2
    assert before < BACKLOG / 2
