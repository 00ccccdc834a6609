"""Latest wins on real servers: saves follow each other faster than pictures are painted."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from tests.support.harness import BOUND, Site, WorkerProcess, answer, cms, request_data, workers


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3, TOPICS__PARTITIONS="2").prepare()


def save(article_id: str, revision: int, headline: str) -> dict[str, Any]:
    return request_data(article_id, revision, article={"id": article_id, "revision": revision, "headline": headline})


async def painting(worker: WorkerProcess) -> None:
    """Wait until the worker paints a picture."""
    async with asyncio.timeout(BOUND):
        while "leadart_pictures_unstored 1.0" not in worker.get("/metrics")[1]:
            await asyncio.sleep(0.05)


async def test_a_newer_save_takes_the_older_ones_place(site: Site, tmp_path: Path) -> None:
    """While revision 1 is painted 3 is saved, and 2 comes late: only 3 gets pictures, and nothing is a dead letter."""
    slow = site.changed(ENGINE__SWATCH_SECONDS="5")
    with workers(slow, tmp_path) as (worker,):
        async with cms(site) as desk:
            first = await desk.ask(save("a-1", 1, "Storm"))
            await painting(worker)
            third = await desk.ask(save("a-1", 3, "Storm over the harbour"))
            second = await desk.ask(save("a-1", 2, "Storm over"), event_id="late")
            ready = await answer(desk, third)
            outcomes = [await answer(desk, request) for request in (first, second)]
            await desk.settle()

    assert ready["ce"]["type"] == names.IMAGE_READY
    for outcome in outcomes:
        assert outcome["ce"]["type"] == names.IMAGE_SUPERSEDED
        assert outcome["superseded_by"] == {"revision": 3}
    assert desk.records(names.DEAD_LETTER) == []


async def test_a_save_that_changes_no_picture_keeps_the_painting(site: Site, tmp_path: Path) -> None:
    """A save of the same words while the picture is painted gets that picture; it is painted once."""
    slow = site.changed(ENGINE__SWATCH_SECONDS="5")
    with workers(slow, tmp_path) as (worker,):
        async with cms(site) as desk:
            first = await desk.ask(save("a-1", 1, "Storm"))
            await painting(worker)
            second = await desk.ask(save("a-1", 2, "Storm"))
            ready, gone = await answer(desk, second), await answer(desk, first)

    assert (ready["ce"]["type"], ready["reused"]) == (names.IMAGE_READY, True)
    assert ready["seconds"]["engine"] == 0.0, "it was painted anew"
    assert gone["superseded_by"] == {"revision": 2}


async def test_an_older_save_is_superseded_after_a_restart(site: Site, tmp_path: Path) -> None:
    """What was announced before the workers were restarted is remembered, whatever lane an old revision comes by."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            await answer(desk, await desk.ask(save("a-1", 7, "Storm")))
    (after := tmp_path / "after").mkdir()
    with workers(site, after):
        async with cms(site) as desk:
            again = await answer(desk, await desk.ask(save("a-1", 7, "Storm"), event_id="again"))
            old = await answer(desk, await desk.ask(save("a-1", 6, "Stor")))

    assert (again["ce"]["type"], again["reused"]) == (names.IMAGE_READY, True)
    assert old["superseded_by"] == {"revision": 7}


async def test_a_mistaken_revision_is_mended_while_workers_run(site: Site, tmp_path: Path) -> None:
    """`heads show` names the event that set it, `heads reset --execute` forgets it, and the next save is painted."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            huge = await desk.ask(save("a-1", 2**40, "Storm"))
            await answer(desk, huge)
            lost = await answer(desk, await desk.ask(save("a-1", 8, "Storm over")))
            shown = json.loads(site.run("heads", "show", "a-1", "--json").stdout)
            rehearsed = site.run("heads", "reset", "a-1")
            kept = json.loads(site.run("heads", "show", "a-1", "--json").stdout)
            reset = site.run("heads", "reset", "a-1", "--execute")
            found = await answer(desk, await desk.ask(save("a-1", 9, "Storm over it")))

    assert lost["ce"]["type"] == names.IMAGE_SUPERSEDED
    (head,) = shown["heads"]
    assert (head["revision"], head["made"], head["request_id"]) == (2**40, 2**40, huge)
    assert ("would forget" in rehearsed.stdout, kept) == (True, shown)
    assert reset.returncode == 0, reset.stderr
    assert found["ce"]["type"] == names.IMAGE_READY
    assert "nothing to do" in site.run("heads", "reset", "unknown").stdout


async def test_a_request_past_its_time_expires(site: Site, tmp_path: Path) -> None:
    """A request whose expirytime passed while it waited is told as expired and neither painted nor kept."""
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    with workers(site, tmp_path):
        async with cms(site) as desk:
            expired = await answer(desk, await desk.ask(save("a-1", 2, "Storm"), expirytime=past))
            older = await answer(desk, await desk.ask(save("a-1", 1, "Storm")))
            await desk.settle()

    assert expired["ce"]["type"] == names.IMAGE_EXPIRED
    assert older["ce"]["type"] == names.IMAGE_READY, "an expired request supersedes nothing"
    assert desk.records(names.DEAD_LETTER) == []
