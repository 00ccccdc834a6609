"""`leadart replay` on Apache Kafka and SeaweedFS: the plan, what goes to the lane, and that it does so once."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import schemas
from consumer.admin.replay.replayed_record import FIRST_FORCED, build_replayed, without_block
from consumer.delivery.ports import OutgoingRecord
from consumer.delivery.replay_origin import parse_origin
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.failpoints import Failpoint
from consumer.kafka.producer import open_epoch
from consumer.kafka.topics import apply
from schemas import names
from tests.support.harness import BOUND, Site, answer, cms, request_data, workers
from tests.support.killing import kill_at_second_pass
from tests.support.lanes import asking, put, records
from tests.support.styles import styles_with_etching


@pytest.fixture
async def site(kafka: KafkaServer, s3: S3Server) -> Site:
    site = Site.fresh(kafka, s3, TOPICS__PARTITIONS="2", KAFKA__TRANSACTION_TIMEOUT_SECONDS="20")
    await apply(site.settings, None)
    return site


def run_json(site: Site, *arguments: str, status: int = 0) -> Any:
    """Run `leadart replay ARGUMENTS --json` and return its output."""
    done = site.run("replay", *arguments, "--json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def command(plan: Any) -> list[str]:
    """Return the arguments of the command that a plan prints."""
    leadart, replay, *arguments = shlex.split(plan["execute"])
    assert (leadart, replay) == ("leadart", "replay")
    return arguments


async def origins(site: Site) -> Counter[tuple[int, int]]:
    """Count the replayed records in the lane by their originals' partition and offset."""
    found = [parse_origin(record.headers) for record in await records(site, names.BACKFILL)]
    return Counter((one.partition, one.offset) for one in found if one)


def many(site: Site, count: int) -> list[OutgoingRecord]:
    return [asking(site, f"a-{number}", partition=number % 2) for number in range(count)]


async def test_a_plan_counts_requests_and_existing_pictures(site: Site, tmp_path: Path) -> None:
    """Read, valid, newest, chosen, made and to make are counted in all and by partition; nothing is published."""
    site.prepare()
    async with cms(site) as desk:
        with workers(site, tmp_path):
            for article, revision in (("a-1", 1), ("a-1", 2), ("a-2", 1)):
                await answer(desk, await desk.ask(request_data(article, revision, output={"variants": 2})))
        await desk.publish(b"a-3", b"{}")
        await desk.ask(request_data("a-4", article={"section": "weather"}, style={"preset": "anime"}))
        await desk.ask(request_data("a-5", style={"preset": "etching"}))
    plan = run_json(site, "--from", "0")

    assert [plan[name] for name in ("read", "valid", "newest", "chosen")] == [6, 5, 4, 4]
    assert [plan[name] for name in ("made", "to_make", "pictures_to_make")] == [2, 1, 1]
    assert plan["invalid"] == {"not_cloudevent": 1}
    assert ["etching" in one["why"] for one in plan["unpaintable"]] == [True]
    assert sum(row["made"] for row in plan["partitions"]) == 2
    assert plan["measured_outcomes"] >= 2
    assert plan["gpu_hours"] == pytest.approx(plan["picture_seconds"] / 3600)
    assert [run_json(site, "--from", "7d", *filters)["chosen"] for filters in FILTERS] == [1, 1, 3, 2, 0]
    assert run_json(site, "--from", "0", "--force")["to_make"] == 3
    assert await records(site, names.BACKFILL) == []
    shown = site.run("replay", "--from", "0").stdout
    assert "already made, at no cost: 2; to make: 1 (1 pictures); cannot be painted: 1" in shown


FILTERS = [
    ("--section", "weather"),
    ("--style", "anime", "--style", "oil_painting"),
    ("--style", "default", "--style", "etching"),
    ("--article", "a-1", "--article", "a-2", "--article", "a-99"),
    ("--failed",),
]


async def test_unknown_figures_are_absent(site: Site) -> None:
    """Without weights and outcomes, what is made and what it costs are missing, and the plan says why."""
    await put(site, many(site, 3))
    plan = run_json(Site({**site.env, "LEADART_ENGINE__KIND": "zimage"}), "--from", "0")

    assert plan["chosen"] == 3
    assert {"made", "to_make", "gpu_hours", "eta_seconds", "picture_seconds", "waiting_in_lane"} & plan.keys() == set()
    assert "LEADART_ENGINE__MODEL is not set" in plan["made_unknown"]
    assert run_json(site, "--from", "0")["made_unknown"]  # there is no bucket
    assert "unknown" in site.run("replay", "--from", "0").stdout


async def test_a_replay_is_answered_from_the_store(site: Site, tmp_path: Path) -> None:
    """The newest request of each slot goes through the backfill lane and is announced again under the same event id."""
    site.prepare()
    async with cms(site) as desk:
        with workers(site, tmp_path):
            asked = [await desk.ask(request_data("a-1", revision)) for revision in (1, 2)]
            first = [await answer(desk, one) for one in asked]
            assert run_json(site, "--from", "0", "--execute")["published"] == 1
            await desk.until(lambda: len(desk.outcomes(asked[1])) == 2)
        await desk.settle()

    again = desk.outcomes(asked[1])[1]
    assert again["reused"]
    assert again["ce"]["id"] == first[1]["ce"]["id"]
    assert len(desk.outcomes(asked[0])) == 1
    lane = await records(site, names.BACKFILL)
    source = {record.offset: record for record in await records(site, names.REQUESTED) if record.key == b"a-1"}
    for record in lane:
        at = parse_origin(record.headers)
        assert at is not None
        original = source[at.offset]
        assert (record.key, record.value, record.partition) == (original.key, original.value, original.partition)
        assert without_block(record.headers) == original.headers


async def test_run_twice_it_publishes_nothing_twice(site: Site) -> None:
    """The same range is published once, whatever follows it; another name publishes it again."""
    await put(site, many(site, 30))
    plan = run_json(site, "--from", "0")
    assert run_json(site, *command(plan))["published"] == 30
    await put(site, [asking(site, "a-99")])
    again = run_json(site, *command(plan))
    other = run_json(site, "--from", "0", "--name", "after the new weights", "--execute")

    assert (again["published"], again["already"]) == (0, 30)
    assert again["replay_id"] == plan["replay_id"] != other["replay_id"]
    assert other["published"] == 31
    assert set((await origins(site)).values()) == {1, 2}


@pytest.mark.parametrize("place", [Failpoint.BEGUN, Failpoint.COMMITTING])
async def test_a_run_that_is_killed_is_resumed(site: Site, tmp_path: Path, place: Failpoint) -> None:
    """Killed between begin and commit, or during the commit, and run again: each record is in the lane once."""
    await put(site, many(site, 400))
    arguments = command(run_json(site, "--from", "0"))
    await asyncio.to_thread(kill_at_second_pass, site, tmp_path, place, ["replay", *arguments, "--rate", "100/s"])
    rest = run_json(site, *arguments)

    assert rest["published"] + rest["already"] == 400
    assert rest["published"] in {200, 300}
    assert await origins(site) == dict.fromkeys([(number % 2, number // 2) for number in range(400)], 1)


async def test_two_at_once_do_not_double(site: Site) -> None:
    """Of two concurrent runs one may be fenced, with the advice to run it again; no record is there twice."""
    await put(site, many(site, 400))
    arguments = command(run_json(site, "--from", "0"))
    runs = await asyncio.gather(
        *[asyncio.to_thread(site.run, "replay", *arguments, "--rate", "100/s") for _ in range(2)]
    )
    stopped = [run.stderr for run in runs if run.returncode]

    assert all("another run of this replay has begun" in sentence for sentence in stopped)
    assert len(stopped) < 2
    run_json(site, *arguments)
    assert set((await origins(site)).values()) == {1}
    assert len(await origins(site)) == 400


async def test_records_behind_an_open_transaction_count(site: Site) -> None:
    """A run waits for open transactions in the lane, because records of its own may follow them."""
    await put(site, many(site, 2))
    plan = run_json(site, "--from", "0")
    original = (await records(site, names.REQUESTED))[0]
    async with open_epoch(site.settings.kafka, "another", 0) as other:
        await other.begin()
        await other.write([OutgoingRecord(site.topic(names.BACKFILL), 0, b"a", b"{}", ())])
        await put(site, [build_replayed(original, original.headers, site.topic(names.BACKFILL), plan["replay_id"])])
        waiting = asyncio.create_task(asyncio.to_thread(run_json, site, *command(plan)))
        await asyncio.wait([waiting], timeout=5)
        assert not waiting.done()
        await other.commit()
        report = await waiting

    assert (report["published"], report["already"]) == (1, 1)


async def test_forced_requests_get_new_pictures_once(site: Site, tmp_path: Path) -> None:
    """With `--force` each gets its own variation and event id; run again, nothing more is published."""
    site.prepare()
    async with cms(site) as desk:
        with workers(site, tmp_path):
            asked = [await desk.ask(request_data(f"a-{number}")) for number in range(3)]
            first = {one: await answer(desk, one) for one in asked}
            report = run_json(site, "--from", "0", "--to", "1000", "--force", "--execute")
            await desk.until(lambda: len(desk.outcomes()) == 6)
            again = run_json(site, "--from", "0", "--to", "1000", "--force", "--execute")
        await desk.settle()

    assert (report["published"], again["published"], again["already"]) == (3, 0, 3)
    new = desk.outcomes()[3:]
    assert {one["ce"]["correlationid"] for one in new} == set(asked)
    assert {one["request_id"] for one in new}.isdisjoint(asked)
    for one in new:
        before = first[one["ce"]["correlationid"]]
        assert (one["article"], one["reused"]) == (before["article"], False)
        assert one["variation"] >= FIRST_FORCED
        assert one["pictures"][0]["sha256"] != before["pictures"][0]["sha256"]


async def test_a_request_that_no_reader_could_write_on_is_named_and_the_rest_is_published(site: Site) -> None:
    """A number beyond every float, in a field unknown to us, is invalid: forced or not, the replay leaves it out."""
    odd = asking(site, "a-odd", later="LATER")
    odd = replace(odd, value=(odd.value or b"").replace(b'"LATER"', b"1e999"))
    await put(site, [odd, asking(site, "a-even")])
    plan = run_json(site, "--from", "0")
    plain = run_json(site, "--from", "0", "--execute")
    forced = run_json(site, "--from", "0", "--force", "--execute")

    assert (plan["read"], plan["valid"], plan["invalid"]) == (2, 1, {"invalid_field": 1})
    assert "`later` is not a finite number" in str(plan["invalid_records"])
    assert (plain["published"], plain["refused"]) == (1, 0)
    assert (forced["published"], forced["refused"]) == (1, 0)


async def test_decisions_of_editors_are_never_replayed(site: Site) -> None:
    """They are counted and left out: an old choice that came again would undo a later one."""
    await put(site, [asking(site, "a-1"), decided(site, "image-chosen/v1/picture.json")])
    await put(site, [decided(site, "withdrawn/v1/whole-article.json"), decided(site, "restored/v1/whole-article.json")])
    plan = run_json(site, "--from", "0")
    report = run_json(site, "--from", "0", "--execute")

    assert (plan["read"], plan["valid"], plan["invalid"], plan["decisions"]) == (4, 1, {}, 3)
    assert (report["published"], report["decisions"]) == (1, 3)
    assert "3 decisions of editors" in site.run("replay", "--from", "0").stdout


def decided(site: Site, example: str) -> OutgoingRecord:
    """Return an editor's decision as the contract's examples have it."""
    event = json.loads((Path(schemas.__file__).parent / "examples" / example).read_text())
    headers = (("content-type", b"application/cloudevents+json"),)
    key = event["data"]["article"]["id"].encode()
    return OutgoingRecord(site.topic(names.REQUESTED), 0, key, json.dumps(event).encode(), headers)


async def test_a_replay_that_was_called_off_can_be_run_again(site: Site) -> None:
    """The same command publishes what was called off once more, and then nothing; other replays are untouched."""
    site.prepare()
    await put(site, many(site, 4))
    replay = run_json(site, "--from", "0:0,1:0", "--to", "2", "--execute")["replay_id"]
    run_json(site, "--from", "0:0,1:0", "--to", "2", "--name", "other", "--execute")
    called_off = site.run("replay", "cancel", replay, "--execute").stdout
    again = [run_json(site, "--from", "0:0,1:0", "--to", "2", "--execute") for _ in range(2)]
    other = run_json(site, "--from", "0:0,1:0", "--to", "2", "--name", "other", "--execute")

    assert called_off == f"called off  replay {replay}: 4 in {site.topic(names.BACKFILL)}\n"
    assert [(report["published"], report["already"]) for report in again] == [(4, 0), (0, 4)]
    assert (other["published"], other["already"]) == (0, 4)


async def test_only_what_failed_is_replayed_on_request(site: Site, tmp_path: Path) -> None:
    """`--failed` chooses slots whose highest revision failed; a replayed one that fails can still be redriven."""
    site.prepare()
    async with cms(site) as desk:
        with workers(site, tmp_path):
            for article, style in (("a-1", "etching"), ("a-2", "anime"), ("a-3", "etching")):
                await answer(desk, await desk.ask(request_data(article, style={"preset": style})))
            await answer(desk, await desk.ask(request_data("a-3", 2)))
            (failed,) = [one["request_id"] for one in desk.outcomes() if one["article"] == {"id": "a-1", "revision": 1}]
            assert run_json(site, "--from", "1h", "--failed", "--execute")["published"] == 1
            await desk.until(lambda: len(desk.outcomes(failed)) == 2)
        later = tmp_path / "later"
        later.mkdir()
        with workers(site.changed(STYLES__FILE=str(styles_with_etching(tmp_path))), later):
            done = site.run("dead-letters", "redrive", "--topic", names.BACKFILL, "--execute")
            assert done.returncode == 0, done.stderr
            await desk.until(lambda: len(desk.outcomes(failed)) == 3)

    assert desk.outcomes(failed)[2]["pictures"]
    first, second = await records(site, names.BACKFILL)
    assert second.headers[: len(first.headers)] == first.headers


async def test_a_range_is_cut_by_moments_and_offsets(site: Site) -> None:
    """A moment means the first record at or after it; offsets select their partitions."""
    await put(site, many(site, 10))
    middle = max(record.timestamp_ms for record in await records(site, names.REQUESTED))
    await asyncio.sleep(0.05)
    since = datetime.fromtimestamp((middle + 1) / 1000, UTC).isoformat()
    await put(site, [asking(site, f"b-{number}") for number in range(4)])

    assert run_json(site, "--from", since)["read"] == 4
    assert run_json(site, "--from", "1h", "--to", since)["read"] == 10
    assert run_json(site, "--from", "0:2,1:4", "--to", "4")["read"] == 2
    plan = run_json(site, "--from", "3", "--to", "1:5")
    assert (plan["read"], plan["from"], plan["to"]) == (2, "1:3", "1:5")
    assert run_json(site, "--from", "2031-01-01T00:00:00Z")["read"] == 0
    nowhere = site.run("replay", "--from", "99:0")
    assert (nowhere.returncode, "has no partition 99: its partitions are 0 to 1" in nowhere.stderr) == (1, True)


async def test_the_backfill_lane_can_be_replayed(site: Site) -> None:
    """The headers of an earlier replay are replaced, and a lane never replays its own replay."""
    await put(site, many(site, 4))
    run_json(site, "--from", "0", "--execute")
    assert run_json(site, "--from", "0", "--lane", names.BACKFILL, "--execute")["published"] == 4
    lane = await records(site, names.BACKFILL)

    assert [len(record.headers) for record in lane] == [len(lane[0].headers)] * 8
    assert Counter(at.topic for record in lane if (at := parse_origin(record.headers))) == {
        site.topic(names.REQUESTED): 4,
        site.topic(names.BACKFILL): 4,
    }


async def test_the_backlog_is_kept_below_its_bound(site: Site) -> None:
    """With no worker running, only as much is published as is painted in the given time."""
    site.prepare()
    await put(site, many(site, 40))
    arguments = ["--from", "0", "--execute", "--max-backlog-seconds", "60", "--picture-seconds", "10", "--devices", "2"]
    run = subprocess.Popen([*site.command, "replay", *arguments], env={**os.environ, **site.env})  # noqa: S603, ASYNC220
    try:
        async with asyncio.timeout(BOUND):
            while len(await records(site, names.BACKFILL)) < 12:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.9)
        run.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(run.wait, BOUND) == 130
    finally:
        run.kill()

    assert len(await records(site, names.BACKFILL)) == 12


MISTAKES = [
    (("--from", "2031-05-17T08:00:00"), 2, "has no time zone"),
    (("--from", "yesterday"), 2, "is not a point in time"),
    (("--from", "0", "--rate", "fast"), 2, "is not a rate"),
    (("--from", "0", "--lane", "article-image-outcome"), 2, "is not a lane"),
    (("--from", "0"), 1, "leadart topics apply"),
]


@pytest.mark.parametrize(("arguments", "status", "sentence"), MISTAKES)
def test_a_mistake_is_answered_with_a_sentence(
    kafka: KafkaServer, s3: S3Server, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    """What cannot be parsed, and missing topics, are answered in a sentence without a traceback."""
    done = Site.fresh(kafka, s3).run("replay", *arguments)

    assert done.returncode == status
    assert sentence in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
