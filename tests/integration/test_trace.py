"""`leadart trace` on Apache Kafka and SeaweedFS, with what real workers left there."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from consumer.admin.trace import scan
from consumer.admin.trace.explanation import explain
from consumer.admin.trace.pictures import TraceAnswer
from consumer.admin.trace.search import TraceQuery
from consumer.admin.trace.timeline import FileState, RecordState, Timeline
from consumer.admin.trace.tracing import trace
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.failpoints import Failpoint
from consumer.kafka.admin_client import open_admin
from consumer.kafka.topics import key_partition
from consumer.storage.client import open_client
from schemas import names
from tests.support.announcements import record
from tests.support.harness import BOUND, Site, answer, cms, request_data, workers
from tests.support.lanes import asking, put
from tests.support.policies import policy_settings

COUNT = 4
HOME = key_partition(b"a-1", COUNT)
POLICY = """
label = "desk-3"
[[rules]]
name = "courts"
when.section = ["courts"]
never = true
message = "No pictures of trials."
[[rules]]
name = "war"
when.section = ["war"]
needs_approval = true
message = "A chief decides."
"""


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3, TOPICS__PARTITIONS=str(COUNT)).prepare()


async def traced(site: Site, article: str = "a-1", **query: Any) -> Timeline:
    return await trace(site.settings, TraceQuery(article, **query), lambda _share: None)


async def asked(site: Site, article: str = "a-1", **query: Any) -> TraceAnswer:
    """Trace and explain."""
    return explain(await traced(site, article, **query), int(time.time() * 1000), query.get("request_id", ""))


async def replace(site: Site, key: str, body: bytes | None) -> None:
    """Overwrite a stored object, or delete it."""
    storage = site.settings.storage
    async with open_client(storage) as client:
        if body is None:
            await client.delete_object(Bucket=storage.bucket, Key=key)
        else:
            await client.put_object(Bucket=storage.bucket, Key=key, Body=body)


async def test_a_painted_story_is_told_with_its_files(site: Site, tmp_path: Path) -> None:
    """Request, outcome, head, manifest, picture and renditions, also of a replay; a running worker is not disturbed."""
    async with cms(site) as desk, open_admin(site.settings.kafka) as admin:
        with workers(site, tmp_path):
            ready = await answer(desk, await desk.ask(request_data("a-1")))
            groups = await admin.client.list_consumer_groups()
            assert site.run("replay", "--from", "0", "--execute").returncode == 0
            await desk.until(lambda: len(desk.outcomes()) == 2)
            found, members = await traced(site), (await admin.group()).members
            printed = site.run("trace", "a-1", "--verify")
            assert await admin.client.list_consumer_groups() == groups
            assert members == (await admin.group()).members

    assert [(one.place.topic, bool(one.replay)) for one in found.requests] == [
        (site.topic(names.REQUESTED), False),
        (site.topic(names.BACKFILL), True),
    ]
    assert {one.standing.state for one in found.requests} == {RecordState.FINISHED}
    assert [one.kind for one in found.outcomes] == ["ready", "ready"]
    assert [(head.slot, head.revision, head.made) for head in found.heads] == [("hero", 1, 1)]
    files = [ready["pictures"][0], *ready["pictures"][0]["renditions"]]
    assert {file["key"] for file in files} < found.store.states.keys()
    assert set(found.store.states.values()) == {FileState.THERE}
    assert (found.group.workers, found.search.partitions) == (1, (HOME,))
    assert [(use.slot, use.announced) for use in found.store.uses] == [("hero", True)]
    later = await asked(site, since_ms=int(time.time() * 1000) + 60_000)
    assert "the topics hold only its head: the newest request was of revision 1" in later.sentence
    assert "The store has 1 picture of a-1 for hero that no outcome named which was read" in later.sentence
    assert (printed.returncode, "hero of a-1 has its picture" in printed.stdout.splitlines()[-1]) == (0, True)


async def test_pictures_that_were_lost_are_found_missing(site: Site, tmp_path: Path) -> None:
    """Gone, of another size, or with other bytes, which takes --verify to see; and a rendition that is gone."""
    async with cms(site) as desk:
        with workers(site, tmp_path):
            ready = [await answer(desk, await desk.ask(request_data(f"a-{number}"))) for number in range(4)]
    pictures = [one["pictures"][0] for one in ready]
    await replace(site, pictures[0]["key"], None)
    await replace(site, pictures[1]["key"], b"short")
    await replace(site, pictures[2]["key"], b"x" * pictures[2]["bytes"])
    await replace(site, pictures[3]["renditions"][0]["key"], None)
    answers = [await asked(site, f"a-{number}") for number in range(4)]
    verified = await asked(site, "a-2", verify=True)
    away = site.changed(STORAGE__ENDPOINT_URL="http://127.0.0.1:9", STORAGE__TIMEOUT_SECONDS="2")
    unknown = await asked(away, "a-0")

    assert [one.picture for one in [*answers, verified, unknown]] == [False, False, True, False, False, True]
    assert "is gone from the store" in answers[0].sentence
    assert "is damaged in the store" in answers[1].sentence
    assert "is damaged in the store" in verified.sentence
    assert "But the store lacks 1 of its " in answers[3].sentence
    assert "Whether its file is still in the store is not known: the store cannot be reached" in unknown.sentence


async def test_stories_without_a_picture_say_why(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """Declined, held, refused, superseded, waiting in a retry lane with and without a worker, and not read yet."""
    points = tmp_path / "points"
    points.mkdir()
    (points / f"{Failpoint.PAINTING}.failing").touch()
    own = {"WORKER__FAILPOINTS": str(points), **policy_settings(tmp_path, POLICY)}
    site = Site.fresh(kafka, s3, TOPICS__PARTITIONS=str(COUNT), **own).prepare()
    async with cms(site) as desk:
        with workers(site, tmp_path):
            await answer(desk, await desk.ask(request_data("a-4", article={"section": "courts"})))
            declined = await asked(site, "a-4")
            await answer(desk, await desk.ask(request_data("a-5", article={"section": "war"})))
            held = await asked(site, "a-5")
            await desk.ask({"article": {"id": "a-5", "revision": 1}}, event_type=names.IMAGE_APPROVED)
            refused = await desk.ask(request_data("a-1", output={"width": 5}))
            await answer(desk, refused)
            await desk.ask(request_data("a-2", 9))
            late = await desk.ask(request_data("a-2", 3))
            await answer(desk, late)
            async with asyncio.timeout(BOUND):
                while "waits in" not in (retried := await asked(site, "a-2")).sentence:
                    await asyncio.sleep(0.1)
        async with asyncio.timeout(BOUND):  # a killed worker stays in its group for as long as its session
            while (await traced(site, "a-2")).group.workers != 0:
                await asyncio.sleep(0.1)
        waiting, released = await asked(site, "a-2"), await asked(site, "a-5")
        assert site.run("pause", "--source", "/cms/test", "--execute").returncode == 0
        paused = await asked(site, "a-2")
        assert site.run("resume", "--source", "/cms/test", "--execute").returncode == 0
        await desk.ask(request_data("a-3"))
    told, unread = await asked(site), await asked(site, "a-3")
    letters = (await traced(site)).letters

    assert not any(one.picture for one in (told, retried, waiting, unread))
    assert declined.sentence.endswith("by rule courts: No pictures of trials.")
    assert "by rule war: A chief decides; an image-approved event for slot hero and revision 1" in held.sentence
    assert ("the approval of revision 1" in released.sentence, "waits in" in released.sentence) == (True, True)
    assert "was refused" in told.sentence
    assert "(invalid_field, field output.width)" in told.sentence
    assert f"its original is dead letter {letters[0].place.partition}:{letters[0].place.offset} (open)" in told.sentence
    assert "was superseded by revision 9, which waits in" in retried.sentence
    assert "attempt 2 comes next, because of" in retried.sentence
    assert waiting.sentence.endswith(f"and no worker is in group {site.settings.kafka.group_id}: start one.")
    assert "is paused by an operator since" in paused.sentence
    assert "is not finished yet: no record before it, and no worker" in unread.sentence
    assert (await asked(site, "", request_id=refused)).sentence.startswith(f"Request {refused} (hero of a-1) has no")
    assert site.run("dead-letters", "redrive", "--article", "a-1", "--execute").returncode == 0
    again = await traced(site)
    assert [(one.state, bool(one.acted_at)) for one in again.letters] == [("redriven", True)]
    assert [one.redriven for one in again.requests] == ["", f"{letters[0].place.partition}:{letters[0].place.offset}"]


async def test_what_editors_decided_is_told(site: Site, tmp_path: Path) -> None:
    """A choice and what it kept, a picture of the site's own and that it was let go, a withdrawal and a restoration."""
    about = {"article": {"id": "a-1", "revision": 1}}
    answers = []
    async with cms(site) as desk:
        with workers(site, tmp_path):
            ready = await answer(desk, await desk.ask(request_data("a-1")))
            picture = {"sha256": ready["pictures"][0]["sha256"]}
            for decision, kind in (
                (about | {"picture": picture}, names.IMAGE_CHOSEN),
                (request_data("a-1", 2), names.IMAGE_REQUESTED),
                (about | {"external": True}, names.IMAGE_CHOSEN),
                (about, names.IMAGE_CHOSEN),
                ({"article": {"id": "a-1"}, "reason": "A complaint."}, names.ARTICLE_WITHDRAWN),
                (request_data("a-1", 3), names.IMAGE_REQUESTED),
            ):
                await answer(desk, await desk.ask(decision, event_type=kind))
                answers.append(await asked(site))
            taken_down = await traced(site)
            await desk.ask({"article": {"id": "a-1"}}, event_type=names.ARTICLE_RESTORED)
            async with asyncio.timeout(BOUND):
                while "and restored" not in (restored := await asked(site)).sentence:
                    await asyncio.sleep(0.1)
            await answer(desk, await desk.ask(request_data("a-1", 4)))
            again = await asked(site)

    assert [one.picture for one in [*answers, restored, again]] == [True, True, *[False] * 5, True]
    assert (taken_down.store.uses, [*taken_down.store.withdrawn]) == ((), [""])
    assert FileState.THERE not in taken_down.store.states.values()
    assert "for revision 1, chosen by an editor." in answers[0].sentence
    assert "for revision 2, chosen by an editor." in answers[1].sentence
    assert "an editor declared a picture of the site's own" in answers[2].sentence
    assert "and let go of it" in answers[3].sentence
    assert "it was taken down" in answers[4].sentence
    assert "(A complaint), and stays so until it is restored (leadart restore a-1 --execute)" in answers[4].sentence
    assert "ended" in answers[5].sentence
    assert restored.sentence.endswith("but nothing was asked for since: publish a request.")
    assert "for revision 4." in again.sentence


async def test_records_elsewhere_are_found_by_looking(site: Site) -> None:
    """Under another key or in another partition; and with all partitions if saves are scattered."""
    other = (HOME + 1) % COUNT
    await put(site, [asking(site, "a-1", partition=other)])
    elsewhere = await traced(site)
    explained = explain(elsewhere, 0)
    await put(site, [asking(site, "a-1", 2, partition=HOME)])
    scattered = await asked(site, all_partitions=True)
    nothing, by_id = await asked(site, "a-9"), await traced(site, "", request_id="a-1@1")

    assert (elsewhere.search.elsewhere, elsewhere.search.home) == (True, HOME)
    assert f"Its requests are in partition {other}, and Kafka's Java client would put them into {HOME}" in (
        explained.sentence
    )
    assert "the newest wins only within one partition" in scattered.sentence
    assert nothing.sentence.startswith("Nothing was ever published under the key a-9")
    assert (by_id.article, {one.request_id for one in by_id.requests}) == ("a-1", {"a-1@1", "a-1@2"})


async def test_what_nobody_sees_is_not_told(site: Site) -> None:
    """An outcome in an aborted transaction; a request in an open one is only counted."""
    mine = record("ready")
    producer = AIOKafkaProducer(
        bootstrap_servers=site.settings.kafka.bootstrap_servers, transactional_id=site.topic("x")
    )
    await put(site, [asking(site, "a-1", partition=HOME)])
    async with producer:
        await producer.begin_transaction()
        await producer.send_and_wait(site.topic(names.OUTCOME), mine.value, mine.key, HOME, headers=list(mine.headers))
        await producer.abort_transaction()
        aborted = await traced(site)
        async with producer.transaction():
            await producer.send_and_wait(site.topic(names.REQUESTED), b"{}", b"a-1", HOME)
            hidden = await traced(site)

    assert (len(aborted.requests), aborted.outcomes) == (1, ())
    assert (len(hidden.requests), hidden.search.hidden) == (1, 1)


async def test_memory_and_time_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest records are kept, older ones are counted; `since` leaves them out, and a time limit ends it."""
    monkeypatch.setattr(scan, "MOST", 10)
    for numbers in (range(24), (24,)):
        await put(site, [asking(site, "a-1", number, partition=HOME) for number in numbers])
    found = await traced(site)
    recent = await traced(site, since_ms=found.requests[-1].ms)

    assert ([one.revision for one in found.requests], found.search.left_out) == (list(range(15, 25)), 15)
    old = await asked(site, "", request_id="a-1@3")

    assert old.sentence.startswith("Request a-1@3 (hero of a-1) has no picture: the request of revision 3")
    assert (len(recent.requests), recent.search.records) == (1, 1)
    ended = site.run("trace", "a-1", "--timeout", "1ms")
    assert (ended.returncode, "--since 2d" in ended.stderr) == (2, True)
    away = site.changed(KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:9", KAFKA__REQUEST_TIMEOUT_SECONDS="2")
    assert away.run("trace", "a-1").returncode == 2
