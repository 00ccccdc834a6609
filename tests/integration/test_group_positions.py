"""The group's offsets against the logs: what was deleted is skipped and counted, what was made anew is asked about."""

from __future__ import annotations

import json
from pathlib import Path

from consumer.delivery.ports import Partition
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.kafka.admin_client import KafkaAdmin, open_admin, set_offsets
from consumer.kafka.partition_reader import read_spans
from schemas import names
from tests.support.harness import Cms, Site, WorkerProcess, answer, cms, workers
from tests.support.lanes import asking, put

FIRST, SECOND = 0, 1


async def delete_all(admin: KafkaAdmin, site: Site, partition: Partition) -> int:
    """Delete all records of a partition, as `kafka-delete-records` does; return where its log starts now."""
    end = (await read_spans(site.settings.kafka, [partition]))[partition].stop
    await admin.delete_records(partition, end)
    return end


async def ask(site: Site, desk: Cms, name: str, shard: int) -> None:
    """Publish a request to a shard and wait for its pictures."""
    await put(site, [asking(site, name, partition=shard)])
    assert (await answer(desk, f"{name}@1"))["pictures"]


async def test_records_deleted_under_a_worker_are_skipped_and_counted(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path
) -> None:
    """The shard goes on from the log's start, the other shard never notices, and the loss is told and counted once."""
    site = Site.fresh(kafka, s3, TOPICS__PARTITIONS="2").prepare()
    lane = Partition(site.topic(names.REQUESTED), FIRST)
    async with open_admin(site.settings.kafka) as admin, cms(site) as desk:
        await put(site, [asking(site, f"a-{number}") for number in range(5)])
        assert await delete_all(admin, site, lane) == 5
        warned = site.run("doctor", "--json")
        with workers(site, tmp_path) as (worker,):
            await ask(site, desk, "b-1", FIRST)
            await put(site, [asking(site, "b-2", partition=SECOND)])
            await delete_all(admin, site, lane)
            await ask(site, desk, "b-3", FIRST)
            await ask(site, desk, "b-4", SECOND)
            page = worker.get("/metrics")[1]
            assert worker.stop() == 0

    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if "records_deleted_unread" in line]
    assert [(line["partition"], line["records"]) for line in lines] == [(FIRST, 5)]
    assert f'leadart_deleted_unread_records_total{{topic="{lane.topic}"}} 5.0' in page
    assert f"{lane.topic}:0 (5)" in warned.stdout
    assert {outcome["article"]["id"] for outcome in desk.outcomes()} == {"b-1", "b-2", "b-3", "b-4"}


async def test_an_offset_beyond_the_logs_end_stops_only_its_shard(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path
) -> None:
    """Doctor, lag, log and readiness name every such partition and the command, which helps; the other shard works."""
    site = Site.fresh(kafka, s3, TOPICS__PARTITIONS="2").prepare()
    stuck = [Partition(site.topic(base), FIRST) for base in (names.BACKFILL, names.REQUESTED)]
    await set_offsets(site.settings.kafka, dict.fromkeys(stuck, 500))
    remedy = " ".join(["leadart topics apply", *(f"--only {each.topic}:{FIRST}" for each in stuck), "--force"])
    async with cms(site) as desk:
        worker = WorkerProcess(site, tmp_path / "worker.log")
        try:
            await ask(site, desk, "a-1", SECOND)
            unready = worker.get("/readyz")
            lag, doctor = site.run("lag"), site.run("doctor")
            assert worker.stop() == 0
        finally:
            worker.kill()
        for told in (unready[1], " ".join(lag.stdout.split()), " ".join(doctor.stdout.split()), worker.log.read_text()):
            assert remedy in told
        only = [part for each in stuck for part in ("--only", f"{each.topic}:{FIRST}")]
        done = site.run("topics", "apply", *only, "--force", "--start", "earliest", "--execute")
        assert done.returncode == 0, done.stderr
        with workers(site, tmp_path):
            await ask(site, desk, "a-2", FIRST)

    assert unready[0] == 503
    assert "STOPPED" in lag.stdout
