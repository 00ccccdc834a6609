"""The other two ways to replay: moving the group's offsets with Kafka's own tool, and a second group of workers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from consumer.delivery.offset_metadata import OffsetMetadata, write_metadata
from consumer.delivery.ports import CommittedOffset
from consumer.delivery.retry import RetrySchedule, RetryState
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.errors import Transient
from consumer.kafka.admin_client import open_admin
from consumer.kafka.topics import lane_topics
from consumer.processing.outcomes import OutcomeBuilder
from schemas import Reason, names
from tests.support.harness import Site, answer, cms, request_data, workers
from tests.support.kafka_tools import consumer_groups
from tests.support.lanes import put, records


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3, TOPICS__PARTITIONS="2").prepare()


async def reset(site: Site, *arguments: str) -> str:
    """Move the group's offsets to the earliest as an operator does, and return the tool's output."""
    kafka = site.settings.kafka
    who = ("--bootstrap-server", kafka.bootstrap_servers, "--group", kafka.group_id)
    return await asyncio.to_thread(
        consumer_groups, *who, "--reset-offsets", "--to-earliest", *arguments, "--timeout", "60000", "--execute"
    )


async def committed(site: Site) -> dict[tuple[str, int], CommittedOffset]:
    partitions = [TopicPartition(topic, number) for topic in lane_topics(site.settings) for number in (0, 1)]
    async with open_admin(site.settings.kafka) as admin:
        answer = await admin.committed_offsets(partitions)
    return {(tp.topic, tp.number): at for tp, at in answer.items()}


async def commit(site: Site, at: dict[tuple[str, int], CommittedOffset]) -> None:
    kafka = site.settings.kafka
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, group_id=kafka.group_id, enable_auto_commit=False
    ) as consumer:
        offsets = {TopicPartition(*place): OffsetAndMetadata(one.offset, one.metadata) for place, one in at.items()}
        consumer.assign(list(offsets))
        await consumer.commit(offsets)


async def test_kafkas_own_tool_makes_the_group_process_a_lane_again(site: Site, tmp_path: Path) -> None:
    """Refused while workers are up; then every request is announced once more, same ids, from the store.

    The tool drops the offset metadata, the list of what is finished above the offset, and a worker starts without it.
    """
    lane = site.topic(names.REQUESTED)
    async with cms(site) as desk:
        with workers(site, tmp_path) as (worker,):
            asked = [await desk.ask(request_data(f"a-{number}")) for number in range(4)]
            first = {one: await answer(desk, one) for one in asked}
            assert "inactive" in await reset(site, "--topic", lane)
            assert worker.stop() == 0
        await commit(site, {(lane, 0): CommittedOffset(0, write_metadata(0, OffsetMetadata({1})))})
        said = await reset(site, "--topic", lane)
        at = await committed(site)
        later = tmp_path / "later"
        later.mkdir()
        with workers(site, later):
            await desk.until(lambda: len(desk.outcomes()) == 8)
        await desk.settle()

    assert lane in said
    assert {at[lane, number] for number in (0, 1)} == {CommittedOffset(0, "")}
    for one in asked:
        again = desk.outcomes(one)[1]
        assert (again["reused"], again["ce"]["id"]) == (True, first[one]["ce"]["id"])
    assert len(desk.outcomes()) == 8


async def test_all_topics_include_the_retry_lanes(site: Site, tmp_path: Path) -> None:
    """An old retry is tried again at once, since its due time has passed: one more outcome, same id."""
    async with cms(site) as desk:
        asked = await desk.ask(request_data("a-1"))
        (record,) = await records(site, names.REQUESTED)
        with workers(site, tmp_path) as (worker,):
            await answer(desk, asked)
            turn = RetrySchedule(site.topic(names.RETRY_1M), int(time.time() * 1000), int(time.time() * 1000))
            error = Transient(Reason.ENGINE_FAILED, "It is so.")
            await put(site, list(OutcomeBuilder(site.settings).retry(RetryState(record), error, turn).records))
            await desk.until(lambda: len(desk.outcomes()) == 2)
            assert worker.stop() == 0
        await reset(site, "--all-topics")
        later = tmp_path / "later"
        later.mkdir()
        with workers(site, later):
            await desk.until(lambda: len(desk.outcomes()) == 4)
        await desk.settle()

    assert len({one["ce"]["id"] for one in desk.outcomes()}) == 1
    assert len(desk.outcomes()) == 4


async def test_a_second_group_has_outcomes_of_its_own(site: Site, tmp_path: Path) -> None:
    """With its own group and prefix a second fleet reads the same lanes, and neither sees the other's events."""
    other = Site({**site.env, "LEADART_KAFKA__GROUP_ID": "trial", "LEADART_TOPICS__OWN_PREFIX": "trial-"})
    async with cms(site) as desk:
        with workers(site, tmp_path):
            asked = await desk.ask(request_data("a-1"))
            first = await answer(desk, asked)
        other.prepare()
        later = tmp_path / "later"
        later.mkdir()
        async with cms(other) as theirs:
            with workers(other, later):
                again = await answer(theirs, asked)
            await desk.settle()

    assert (again["reused"], again["pictures"][0]["key"]) == (True, first["pictures"][0]["key"])
    assert again["ce"]["source"] == "/leadart/trial"
    assert len(desk.outcomes()) == 1
    made = {names.RETRY_1M, names.OUTCOME, names.DEAD_LETTER, names.HEADS, names.PROGRESS}
    assert {other.topic(base) for base in made}.isdisjoint({site.topic(base) for base in made})
    assert {other.topic(base) for base in (names.REQUESTED, names.BACKFILL)} == {
        site.topic(names.REQUESTED),
        site.topic(names.BACKFILL),
    }
