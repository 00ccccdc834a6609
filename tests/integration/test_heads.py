"""Heads on Apache Kafka: what a reset leaves, and what growing topics moves."""

from __future__ import annotations

import asyncio

import pytest

from consumer.admin.heads import StoredHead, find_heads, reset_heads
from consumer.admin.state_table import change_value
from consumer.delivery.editorial import Choice, Editorial, Position, Withdrawal
from consumer.delivery.heads import NO_HEAD, WHOLE_ARTICLE, Head, Numbered, Slot, head_key, write_head
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.kafka.topics import StartPosition, apply, key_partition
from schemas.editorial import ImageChosen
from tests.support.harness import Site

AT = Position(topic="article-image-requested", partition=1, offset=17)
CHOSEN = ImageChosen.model_validate(
    {"article": {"id": "a-1", "revision": 7}, "picture": {"recipe": "b" * 64}, "alt": "Ferries.", "chosen_by": "ana"}
)
EDITORIAL = Editorial(choice=Choice(decision=CHOSEN, sha256="a" * 64, recipe="b" * 64, ordinal=4), at=AT)
TAKEN_DOWN = Editorial(withdrawal=Withdrawal(source="/cms", request_id="w-1", ordinal=3, message="Why."), at=AT)
HERO = Head(2**40, "/cms", "r-1", 2**40, 2, 6, 5, 3, (Numbered("e" * 16, 6, 3),), 1_000, EDITORIAL)
HEADS = {
    Slot("a-1", WHOLE_ARTICLE): NO_HEAD._replace(editorial=TAKEN_DOWN),
    Slot("a-1", "hero"): HERO,
    Slot("a-1", "teaser"): NO_HEAD._replace(ordinal=3, editorial=TAKEN_DOWN),
}
SHARDS, GROWN = 3, 5


@pytest.fixture
async def site(kafka: KafkaServer, s3: S3Server) -> Site:
    """A site without workers, in which one article has three heads."""
    made = Site.fresh(kafka, s3, TOPICS__PARTITIONS=str(SHARDS))
    await apply(made.settings, StartPosition.EARLIEST)
    for slot, head in HEADS.items():
        await put(made, slot, head)
    return made


async def put(site: Site, slot: Slot, head: Head) -> None:
    key = head_key(site.settings.kafka.group_id, slot)
    await change_value(site.settings, home(SHARDS), key, lambda _before: write_head(head))


def home(shards: int) -> int:
    return key_partition(b"a-1", shards)


async def heads(site: Site) -> list[StoredHead]:
    return await find_heads(site.settings, "a-1")


async def test_a_reset_keeps_ordinals_and_decisions(site: Site) -> None:
    """Only the revision and what hangs on it go; the article's other entries are not touched."""
    done = await asyncio.to_thread(site.run, "heads", "reset", "a-1", "--execute")
    after = {one.slot: one.head for one in await heads(site)}

    assert done.stdout == f"forgot  hero: revision {2**40}\n", done.stderr
    assert after.pop(Slot("a-1", "hero")) == Head(0, "", "", ordinal=6, variation=3, since=1_000, editorial=EDITORIAL)
    assert after == {slot: head for slot, head in HEADS.items() if slot.name != "hero"}


async def test_a_reset_keeps_what_was_decided_since_it_was_asked_for(site: Site) -> None:
    """A head that changed between finding it and resetting it is read again, and loses nothing but its revision."""
    found = await heads(site)
    await put(site, Slot("a-1", "hero"), HERO._replace(ordinal=9))
    await reset_heads(site.settings, found)

    assert {one.head.ordinal for one in await heads(site) if one.slot.name == "hero"} == {9}


async def test_growing_moves_heads_as_they_are(site: Site) -> None:
    """Each is in its article's new partition, with its ordinals and decisions, and nowhere else."""
    grown = await asyncio.to_thread(site.changed(TOPICS__PARTITIONS=str(GROWN)).run, "topics", "apply", "--grow")
    found = await heads(site)

    assert grown.returncode == 0, grown.stderr
    assert home(GROWN) != home(SHARDS)
    assert {one.slot: one.head for one in found} == HEADS
    assert {one.partition for one in found} == {home(GROWN)}
    assert len(found) == len(HEADS)
