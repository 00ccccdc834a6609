"""Pausing, resuming and calling off on Apache Kafka: what lies in every shard, however a command ends."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from consumer.admin.controls import change_controls, lane_ends, shard_controls, spread
from consumer.delivery.controls import Controls, Pause, Selector, controls_key
from consumer.delivery.ports import OutgoingRecord
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.failpoints import Failpoint
from consumer.kafka.topics import StartPosition, apply
from schemas import names
from schemas.cloudevents import Event, write
from tests.support.harness import Site, request_data
from tests.support.killing import kill_at_second_pass
from tests.support.lanes import put

SPORTS = Selector(section="sports")


@pytest.fixture
async def site(kafka: KafkaServer, s3: S3Server) -> Site:
    """A site with its topics; nobody reads them."""
    made = Site.fresh(kafka, s3)
    await apply(made.settings, StartPosition.EARLIEST)
    return made


async def paused_in(site: Site, match: Selector = SPORTS) -> tuple[int, ...]:
    """Return the shards that have the pause."""
    controls = await shard_controls(site.settings)
    found = spread(controls, [{}] * len(controls))
    return next((each.shards for each in found if isinstance(each.control, Pause) and each.control.match == match), ())


def pause(_shard: int, controls: Controls) -> Controls:
    return controls.pause(SPORTS, 5)


async def test_every_shard_has_a_pause_until_it_is_resumed(site: Site) -> None:
    """The commands write it and take it back; a second group on the same topics has none."""
    other = Site({**site.env, "LEADART_KAFKA__GROUP_ID": "others"})
    site.run("pause", "--section", "sports", "--execute")
    held = await paused_in(site)
    resumed = await asyncio.to_thread(site.run, "resume", "--section", "sports", "--execute")

    assert held == (0, 1, 2)
    assert await paused_in(other) == await paused_in(site) == ()
    assert resumed.stdout == "resumed  section sports (3 shards)\n"


async def test_a_command_that_is_killed_is_completed_by_the_same_one(site: Site, tmp_path: Path) -> None:
    """Killed between two shards, the list says which have it; run again, it writes only the others."""
    await asyncio.to_thread(
        kill_at_second_pass, site, tmp_path, Failpoint.BEGUN, ["pause", "--section", "sports", "--execute"]
    )
    listed = await asyncio.to_thread(site.run, "pause")
    half = await paused_in(site)
    completed = await asyncio.to_thread(site.run, "pause", "--section", "sports", "--execute")

    assert half == (0,)
    assert "only in shards [0] of 3" in listed.stdout
    assert completed.stdout == "paused  section sports (2 shards)\n"
    assert await paused_in(site) == (0, 1, 2)


async def test_commands_at_once_lose_nothing(site: Site) -> None:
    """Each reads a shard's controls after it has fenced the others: all pauses are there in the end."""
    matches = [Selector(section=f"s-{number}") for number in range(4)]
    changes = [lambda _shard, controls, match=match: controls.pause(match, 1) for match in matches]
    await asyncio.gather(*[change_controls(site.settings, change) for change in changes])

    assert [await paused_in(site, match) for match in matches] == [(0, 1, 2)] * 4


async def test_grown_topics_are_paused_too(site: Site) -> None:
    """New partitions get the pauses of every group; cancels stay where their offsets mean something."""
    ends = await lane_ends(site.settings)
    other = Site({**site.env, "LEADART_KAFKA__GROUP_ID": "others"})
    await change_controls(other.settings, pause)
    await change_controls(site.settings, lambda shard, known: known.pause(SPORTS, 5).cancel(SPORTS, ends[shard], 6))
    bigger = site.changed(TOPICS__PARTITIONS="5")
    grown = await asyncio.to_thread(bigger.run, "topics", "apply", "--grow")

    assert grown.returncode == 0, grown.stderr
    assert await paused_in(site) == await paused_in(other) == (0, 1, 2, 3, 4)
    assert [len(each.cancels) for each in await shard_controls(site.settings)] == [1, 1, 1, 0, 0]


async def test_a_newer_versions_controls_are_not_overwritten(site: Site) -> None:
    """A criterion that this version does not know stops the command: it would drop what another version wrote."""
    newer = b'{"pauses": [{"match": {"mood": "sad"}, "since": 1}], "cancels": []}'
    key = controls_key(site.settings.kafka.group_id)
    await put(site, [OutgoingRecord(site.topic(names.HEADS), 1, key, newer, ())])
    refused = await asyncio.to_thread(site.run, "pause", "--section", "sports", "--execute")

    assert refused.returncode == 1
    assert "Shard 1 has pauses or cancels that this version cannot read" in refused.stderr


def of(section: str, topic: str, partition: int) -> OutgoingRecord:
    data = request_data("a-1", article={"section": section})
    headers, value = write(Event(id=uuid.uuid4().hex, source="/cms/test", type=names.IMAGE_REQUESTED, data=data))
    return OutgoingRecord(topic, partition, b"a-1", value, tuple(headers))


def decision(topic: str, partition: int) -> OutgoingRecord:
    data = {"article": {"id": "a-1", "revision": 1}, "picture": {"sha256": "0" * 64}}
    headers, value = write(Event(id=uuid.uuid4().hex, source="/cms/test", type=names.IMAGE_CHOSEN, data=data))
    return OutgoingRecord(topic, partition, b"a-1", value, tuple(headers))


async def test_a_cancel_counts_what_waits(site: Site) -> None:
    """Only valid requests that match, in every lane or the named one; then it holds below each lane's end.

    An editor's decisions are left out: they are never called off.
    """
    live, backfill, retry = [site.topic(base) for base in (names.REQUESTED, names.BACKFILL, names.RETRY_1M)]
    garbage = OutgoingRecord(backfill, 1, b"b", b"garbage", ())
    places = [(live, 0), (backfill, 1), (retry, 2)]
    await put(site, [*[of("sports", *place) for place in places], of("weather", live, 0), garbage])
    await put(site, [decision(backfill, 1)])
    every = await asyncio.to_thread(site.run, "replay", "cancel", "--section", "sports")
    lane = await asyncio.to_thread(site.run, "replay", "cancel", "--lane", "backfill")
    command = ("replay", "cancel", "--section", "sports", "--lane", "backfill", "--execute")
    one = await asyncio.to_thread(site.run, *command)

    assert f"1 in {backfill}, 1 in {live}, 1 in {retry}" in every.stdout
    assert f": 1 in {backfill}\n" in one.stdout
    assert f": 1 in {backfill}\n" in lane.stdout
    ends = [cancel.below[backfill] for each in await shard_controls(site.settings) for cancel in each.cancels]
    assert ends == [0, 3, 0]
