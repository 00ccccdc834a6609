"""Topics, starting offsets and offset metadata, on Apache Kafka."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from consumer.admin.growth import grow_topics
from consumer.delivery.offset_metadata import OffsetMetadata, write_metadata
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.errors import Fatal
from consumer.kafka.admin_client import open_admin
from consumer.kafka.topics import StartPosition, apply, reset_offset_metadata
from consumer.lag.reader import known_sum, open_lag_reader
from schemas import Reason, names
from tests.support.harness import BOUND, Site, WorkerProcess, answer, cms, request_data, workers
from tests.support.lanes import asking, put


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3)


async def commit(site: Site, topic: str, offset: int, metadata: str) -> None:
    """Commit as a stranger could who uses the group's name."""
    kafka = site.settings.kafka
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, group_id=kafka.group_id, enable_auto_commit=False
    ) as consumer:
        tp = TopicPartition(topic, 0)
        consumer.assign([tp])
        await consumer.commit({tp: OffsetAndMetadata(offset, metadata)})


async def test_apply_creates_everything_once(site: Site) -> None:
    """The first apply creates all topics and offsets with the contract's settings, the second finds nothing to do."""
    first = await apply(site.settings, StartPosition.EARLIEST)
    second = await apply(site.settings, StartPosition.EARLIEST)

    assert len(first.created) == 10
    assert all(name.startswith(site.env["LEADART_TOPICS__PREFIX"]) for name in first.created)
    assert set(first.offsets.values()) == {0}
    assert len(first.offsets) == 5 * 3
    assert (second.created, second.offsets, second.differing) == ((), {}, ())


async def test_a_group_may_start_at_the_end(site: Site) -> None:
    """With `--start latest`, requests from before the group existed are left alone."""
    await apply(site.settings, None)
    async with cms(site) as desk:
        await desk.ask(request_data("a-1"))
    applied = await apply(site.settings, StartPosition.LATEST)

    assert sum(applied.offsets.values()) == 1


async def test_topics_of_different_sizes_are_refused(site: Site) -> None:
    """Partition counts that differ between topics are refused with the command that fixes them."""
    await apply(site.settings, None)
    async with open_admin(site.settings.kafka) as admin:
        topic = site.topic(names.OUTCOME)
        await admin.add_partitions([topic], 5)
        async with asyncio.timeout(BOUND):
            while await admin.partition_counts([topic]) != {topic: 5}:
                await asyncio.sleep(0.05)
    with pytest.raises(Fatal, match="leadart topics apply") as raised:
        await apply(site.settings, None)

    assert raised.value.reason is Reason.TOPICS_MISMATCH


async def test_offsets_of_a_running_group_are_not_touched(site: Site, tmp_path: Path) -> None:
    """Setting offsets under a running worker is refused, and the worker keeps running."""
    site.prepare()
    with workers(site, tmp_path):
        with pytest.raises(Fatal, match="Stop the workers"):
            await apply(site.settings, StartPosition.EARLIEST, force=True)
        async with cms(site) as desk:
            assert (await answer(desk, await desk.ask(request_data("a-1"))))["pictures"]


async def test_foreign_metadata_stops_its_shard_until_it_is_reset(site: Site, tmp_path: Path) -> None:
    """Metadata that somebody else committed is refused with the command that drops it, and that command works."""
    site.prepare()
    topic = site.topic(names.REQUESTED)
    await commit(site, topic, 0, "somebody else's notes")
    worker = WorkerProcess(site, tmp_path / "refused.log")
    async with cms(site) as desk:
        try:
            await put(site, [asking(site, "a-1", partition=1)])
            assert (await answer(desk, "a-1@1"))["pictures"]
            assert f"reset-offset-metadata {topic}:0" in worker.get("/readyz")[1]
            assert worker.stop() == 0
        finally:
            worker.kill()

        assert site.run("topics", "reset-offset-metadata", f"{topic}:0").returncode == 0
        with workers(site, tmp_path):
            await put(site, [asking(site, "a-2", partition=0)])
            assert (await answer(desk, "a-2@1"))["pictures"]


async def test_finished_records_above_the_commit_are_not_redone(site: Site, tmp_path: Path) -> None:
    """A worker that takes over reads what is finished from the metadata, and answers only the rest."""
    site = Site({**site.env, "LEADART_TOPICS__PARTITIONS": "1"}).prepare()
    async with cms(site) as desk:
        asked = [await desk.ask(request_data(f"a-{number}")) for number in range(4)]
        await commit(site, site.topic(names.REQUESTED), 1, write_metadata(1, OffsetMetadata({2})))
        with workers(site, tmp_path):
            await desk.until(lambda: len(desk.outcomes()) == 2)
        await desk.settle()

    assert {outcome["request_id"] for outcome in desk.outcomes()} == {asked[1], asked[3]}
    async with open_admin(site.settings.kafka) as admin:
        tp = TopicPartition(site.topic(names.REQUESTED), 0)
        assert (await admin.committed_offsets([tp]))[tp].offset == 4


async def test_lag_counts_what_is_not_finished(site: Site) -> None:
    """Lag is known per partition without any worker, less what is finished above the commit; unknown is not 0."""
    site = Site({**site.env, "LEADART_TOPICS__PARTITIONS": "1"})
    await apply(site.settings, None)
    async with cms(site) as desk:
        for number in range(4):
            await desk.ask(request_data(f"a-{number}"))
    async with open_lag_reader(site.settings) as reader:
        assert known_sum(lag.records for lag in (await reader.read()).partitions) is None
        await apply(site.settings, StartPosition.EARLIEST)
        await commit(site, site.topic(names.REQUESTED), 1, write_metadata(1, OffsetMetadata({2})))
        lags = {lag.topic: lag for lag in (await reader.read()).partitions}

    asked = lags[site.topic(names.REQUESTED)]
    assert (asked.records, asked.incomplete) == (3, 2)
    assert known_sum(lag.records for lag in lags.values()) == 3


async def test_resetting_metadata_that_is_not_there_says_so(site: Site) -> None:
    """A partition without an offset has no metadata to reset, and neither has one that does not exist."""
    await apply(site.settings, None)
    with pytest.raises(Fatal, match="no offset"):
        await reset_offset_metadata(site.settings, site.topic(names.REQUESTED), 0)
    missing = site.run("topics", "forget-progress", f"{site.topic(names.REQUESTED)}:99999999999")
    assert (missing.returncode, "not a partition of a lane" in missing.stderr) == (1, True)


async def test_forcing_offsets_is_rehearsed_first(site: Site) -> None:
    """`--force` changes nothing and says so, before and after the topics exist; with `--execute` it acts."""
    force = ("topics", "apply", "--force", "--start", "latest")
    early = site.run(*force)
    async with open_admin(site.settings.kafka) as admin:
        assert await admin.partition_counts([site.topic(names.REQUESTED)]) == {}
    await apply(site.settings, StartPosition.EARLIEST)
    async with cms(site) as desk:
        await desk.ask(request_data("a-1"))
    rehearsed = site.run(*force)
    async with open_lag_reader(site.settings) as reader:
        behind = known_sum(lag.records for lag in (await reader.read()).partitions)
        done = site.run(*force, "--execute")
        after = known_sum(lag.records for lag in (await reader.read()).partitions)

    assert early.stdout.count("would create") == 10
    assert (rehearsed.returncode, rehearsed.stdout.count("would start"), behind) == (0, 5 * 3, 1)
    assert "add --execute" in rehearsed.stdout
    assert (done.returncode, done.stdout.count("starts "), after) == (0, 5 * 3, 0)


async def test_one_partition_may_start_again(site: Site) -> None:
    """`--only` sets the offset of one partition and leaves all others alone."""
    await apply(site.settings, StartPosition.EARLIEST)
    async with cms(site) as desk:
        for number in range(12):
            await desk.ask(request_data(f"a-{number}"))
    applied = await apply(
        site.settings, StartPosition.LATEST, force=True, only=frozenset({(site.topic(names.REQUESTED), 1)})
    )

    assert list(applied.offsets) == [f"{site.topic(names.REQUESTED)}:1"]
    assert applied.offsets[f"{site.topic(names.REQUESTED)}:1"] > 0


async def test_drained_topics_grow_together(site: Site, tmp_path: Path) -> None:
    """With nothing in flight every topic gets the new count, and workers continue on all of it, heads included."""
    bigger = Site({**site.env, "LEADART_TOPICS__PARTITIONS": "5"})
    site.prepare()
    with workers(site, tmp_path) as (worker,):
        async with cms(site) as desk:
            for number in range(5):
                await answer(desk, await desk.ask(request_data(f"a-{number}", revision=2)))
        refused = bigger.run("topics", "apply", "--grow")
        assert worker.stop() == 0
    grown = bigger.run("topics", "apply", "--grow")
    (tmp_path / "after").mkdir()
    with workers(bigger, tmp_path / "after"):
        async with cms(bigger) as desk:
            asked = [await desk.ask(request_data(f"b-{number}")) for number in range(10)]
            outcomes = [await answer(desk, request_id) for request_id in asked]
            late = [await desk.ask(request_data(f"a-{number}", revision=1)) for number in range(5)]
            old = [await answer(desk, request_id) for request_id in late]

    assert "Stop the workers first" in refused.stderr
    assert (grown.returncode, grown.stdout.count("to 5 partitions")) == (0, 10)
    assert {outcome["ce"]["type"] for outcome in outcomes} == {names.IMAGE_READY}
    assert {outcome["ce"]["type"] for outcome in old} == {names.IMAGE_SUPERSEDED}


async def test_topics_with_unfinished_records_do_not_grow(site: Site) -> None:
    """An unfinished request would change its shard: growing names what is not drained."""
    await apply(site.settings, StartPosition.EARLIEST)
    async with cms(site) as desk:
        await desk.ask(request_data("a-1"))
    settings = Site({**site.env, "LEADART_TOPICS__PARTITIONS": "5"}).settings

    with pytest.raises(Fatal, match=r"not drained: .*-requested:\d \(1\)"):
        await grow_topics(settings)
    with pytest.raises(Fatal, match="Kafka removes none"):
        await grow_topics(Site({**site.env, "LEADART_TOPICS__PARTITIONS": "2"}).settings)
