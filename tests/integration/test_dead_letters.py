"""`leadart dead-letters` on Apache Kafka: what is listed, what goes back to the lanes, and that it does so once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from consumer.admin.dead_letters.action import ActionRunner, DeadLetterReport
from consumer.admin.dead_letters.dead_letter import (
    Coordinates,
    DeadLetterRecord,
    DeadLetterState,
    build_mark,
    build_redriven,
    parse_record,
)
from consumer.admin.dead_letters.redrive import Redrive
from consumer.admin.dead_letters.selection import Selection
from consumer.admin.dead_letters.topic import DeadLetterStates, DeadLetterTopic, open_dead_letter_topic
from consumer.delivery.ports import BusError, OutgoingRecord, Partition
from consumer.delivery.retry import RetryState
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.errors import Fatal, Rejected
from consumer.failpoints import Failpoint
from consumer.jobs import Record
from consumer.kafka.producer import KafkaEpoch, open_epoch
from consumer.kafka.topics import apply
from consumer.processing.outcomes import OutcomeBuilder
from schemas import Reason, names
from tests.support.batches import bomb, produce
from tests.support.harness import BOUND, Site, answer, cms, request_data, workers
from tests.support.lanes import records
from tests.support.styles import styles_with_etching


@pytest.fixture
async def site(kafka: KafkaServer, s3: S3Server) -> Site:
    site = Site.fresh(kafka, s3, TOPICS__PARTITIONS="2", KAFKA__TRANSACTION_TIMEOUT_SECONDS="20")
    await apply(site.settings, None)
    return site


def request(site: Site, number: int, base: str = names.REQUESTED, **parts: Any) -> Record:
    """Return a request as a lane would hold it: article a-NUMBER, partition 0 or 1."""
    article = f"a-{number}"
    record = {
        "topic": site.topic(base),
        "partition": number % 2,
        "offset": 100 + number,
        "key": article.encode(),
        "value": json.dumps(request_data(article)).encode(),
        "headers": (("ce_id", f"r-{number}".encode()), ("leadart-topic", b"a publisher's own")),
        "timestamp_ms": 1_900_000_000_000 + number,
    }
    return Record(**{**record, **parts})


def dead(site: Site, record: Record, reason: Reason = Reason.INVALID_FIELD, *, whole: bool = True) -> OutgoingRecord:
    settlement = OutcomeBuilder(site.settings).failed(
        RetryState(record), Rejected(reason, "It is so.", field="output.width")
    )
    return (settlement if whole else settlement.fall_back()).records[-1]


async def put(site: Site, letters: Sequence[OutgoingRecord]) -> list[Coordinates]:
    """Write dead letters as a worker does, and return their coordinates."""
    async with AIOKafkaProducer(bootstrap_servers=site.settings.kafka.bootstrap_servers, linger_ms=0) as producer:
        sent = [
            await producer.send(one.topic, one.value, one.key, one.partition, headers=list(one.headers))
            for one in letters
        ]
        return [Coordinates(done.partition, done.offset) for done in await asyncio.gather(*sent)]


async def keys(site: Site) -> list[str]:
    """Return the article ids on the lane of requests, sorted."""
    return sorted((record.key or b"").decode() for record in await records(site, names.REQUESTED))


def articles(numbers: Sequence[int]) -> list[str]:
    return sorted(f"a-{number}" for number in numbers)


async def letters(site: Site) -> list[DeadLetterRecord]:
    entries = [parse_record(record) for record in await records(site, names.DEAD_LETTER)]
    return [entry for entry in entries if isinstance(entry, DeadLetterRecord)]


def run_json(site: Site, *arguments: str, status: int = 0) -> Any:
    """Run `leadart dead-letters ARGUMENTS --json` and return its output."""
    done = site.run("dead-letters", *arguments, "--json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


@asynccontextmanager
async def redrive_under_way(site: Site) -> AsyncIterator[KafkaEpoch]:
    """Be a redrive of partition 0 that has written all its records and marks but not committed."""
    async with open_epoch(site.settings.kafka, "dead-letters.0", 0) as epoch:
        await epoch.begin()
        now = datetime.now(UTC)
        for letter in await letters(site):
            mark = build_mark(letter, site.topic(names.DEAD_LETTER), DeadLetterState.REDRIVEN, now)
            await epoch.write([build_redriven(letter, letter.original, now), mark])
        yield epoch


async def test_letters_are_filtered_and_counted(site: Site) -> None:
    """Reason, lane, article and time filter; the newest are shown, all are counted, and the rest is mentioned."""
    late = request(site, 3, names.BACKFILL)
    await put(
        site, [dead(site, request(site, 1)), dead(site, request(site, 2), Reason.UNKNOWN_STYLE), dead(site, late)]
    )

    assert run_json(site, "list")["reasons"] == {"invalid_field": 2, "unknown_style": 1}
    for choice in (("--reason", "unknown_style"), ("--article", "a-2")):
        (row,) = run_json(site, "list", *choice)["rows"]
        assert (row["article"], row["origin"], row["field"]) == ("a-2", "0:102", "output.width")
    for topic in (names.BACKFILL, site.topic(names.BACKFILL)):
        assert [row["article"] for row in run_json(site, "list", "--topic", topic)["rows"]] == ["a-3"]
    assert run_json(site, "list", "--since", "1h")["matching"] == 3
    assert run_json(site, "list", "--until", "1h")["matching"] == 0

    shown = site.run("dead-letters", "list", "--limit", "1").stdout
    assert "3 dead letters: 2 invalid_field, 1 unknown_style" in shown
    assert "2 older ones are not shown" in shown


async def test_a_letter_is_shown_whole_and_never_raw(site: Site, tmp_path: Path) -> None:
    """Remedy, origin, headers and value are shown with control characters escaped; a file gets the raw value."""
    value = b'{"headline": "\x1b[2J\xff\xe2\x80\xae"}'
    record = request(site, 1, value=value, headers=(("ce_id", b"\x1b[31mred"), ("\x07", None)))
    (at,) = await put(site, [dead(site, record)])
    shown = site.run("dead-letters", "show", str(at), "--value-to", str(tmp_path / "value"))

    assert shown.returncode == 0, shown.stderr
    assert Reason.INVALID_FIELD.remedy in shown.stdout
    assert f"{record.topic} 1:101" in shown.stdout
    assert "\\x1b[2J\\xff\\u202e" in shown.stdout
    assert shown.stdout.replace("\n", "").isprintable()
    assert (tmp_path / "value").read_bytes() == value
    facts = run_json(site, "show", str(at))
    assert facts["original"]["headers"] == [["ce_id", {"text": "\x1b[31mred"}], ["\x07", None]]
    assert facts["state"] == "open"
    missing = site.run("dead-letters", "show", "0:99")
    nowhere = site.run("dead-letters", "show", "99:0")
    assert (nowhere.returncode, "has no partition 99: its partitions are 0 to 1" in nowhere.stderr) == (1, True)
    assert (missing.returncode, "No dead letter at 0:99" in missing.stderr) == (1, True)


async def test_redriving_is_rehearsed_then_done_then_not_done_again(site: Site) -> None:
    """Without `--execute` nothing changes; with it the originals are on their lanes, once however often it runs."""
    asked = [request(site, number) for number in range(3)]
    await put(site, [dead(site, record) for record in asked])

    assert run_json(site, "redrive", "--article", "a-1")["letters"] == 1
    assert await records(site, names.REQUESTED) == []
    assert run_json(site, "redrive", "--execute", "--article", "a-1")["reasons"] == {"invalid_field": 1}
    assert run_json(site, "redrive", "--execute")["letters"] == 2
    assert run_json(site, "redrive", "--execute")["letters"] == 0

    back = await records(site, names.REQUESTED)
    assert sorted((r.key, r.value, r.partition, r.headers[:2]) for r in back) == [
        (r.key, r.value, r.partition, r.headers) for r in asked
    ]
    assert {r.key: dict(r.headers)["leadart-redriven"] for r in back} == {
        letter.original.key: str(letter.at).encode() for letter in await letters(site)
    }
    assert run_json(site, "list")["matching"] == 0
    assert {row["state"] for row in run_json(site, "list", "--all")["rows"]} == {"redriven"}
    assert run_json(site, "redrive", "--execute", "0:0")["already"] == 1


async def test_a_redriven_request_gets_its_picture(site: Site, tmp_path: Path) -> None:
    """A style that was unknown is added, the letter redriven under running workers, and the picture announced."""
    site.prepare()
    async with cms(site) as desk:
        with workers(site, tmp_path):
            asked = await desk.ask(request_data("a-1", style={"preset": "etching"}))
            assert (await answer(desk, asked))["reason"] == "unknown_style"
        later = tmp_path / "later"
        later.mkdir()
        with workers(site.changed(STYLES__FILE=str(styles_with_etching(tmp_path))), later):
            assert run_json(site, "redrive", "--execute", "--reason", "unknown_style")["letters"] == 1
            await desk.until(lambda: len(desk.outcomes(asked)) == 2)

    assert desk.outcomes(asked)[1]["pictures"]


async def test_a_transaction_that_an_earlier_run_left_open_is_settled_first(site: Site) -> None:
    """A run that hangs before its commit is fenced by the next one, which alone redrives."""
    await put(site, [dead(site, request(site, number)) for number in (0, 2, 4)])
    async with redrive_under_way(site) as hanging:
        assert run_json(site, "redrive", "--execute")["letters"] == 3
        with pytest.raises(BusError):
            await hanging.commit()

    assert await keys(site) == articles([0, 2, 4])


async def test_marks_behind_a_workers_open_transaction_count(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run waits for open transactions in the partition, because marks may follow them."""
    await put(site, [dead(site, request(site, 0))])
    async with open_epoch(site.settings.kafka, "0", 0) as worker:
        await worker.begin()
        await worker.write([dead(site, request(site, 2))])
        async with redrive_under_way(site) as earlier:
            await earlier.commit()
        read_states, commits = DeadLetterTopic.states, [worker.commit]

        async def states(self: DeadLetterTopic, partition: int, span: range) -> DeadLetterStates:
            """Let the worker commit only now that the span to read is fixed."""
            for commit in commits[:]:
                commits.remove(commit)
                await commit()
            return await read_states(self, partition, span)

        monkeypatch.setattr(DeadLetterTopic, "states", states)
        report = await redrive(site)

    assert report.letters == 1
    assert await keys(site) == articles([0, 2])


async def redrive(site: Site) -> DeadLetterReport:
    """Redrive all letters in this process."""
    async with open_dead_letter_topic(site.settings) as topic:
        action = await Redrive.prepare(site.settings, topic)
        return await ActionRunner(site.settings, topic, Selection(), action, lambda _: None).run(execute=True)


async def test_a_run_that_was_overtaken_writes_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that has read the marks can no longer write once another run has begun after it."""
    await put(site, [dead(site, request(site, number)) for number in (0, 2)])
    read_states, others = DeadLetterTopic.states, [("redrive", "--execute")]

    async def states(self: DeadLetterTopic, partition: int, span: range) -> DeadLetterStates:
        found = await read_states(self, partition, span)
        for other in others[:]:
            others.remove(other)
            assert (await asyncio.to_thread(run_json, site, *other))["letters"] == 2
        return found

    monkeypatch.setattr(DeadLetterTopic, "states", states)
    # The sentence depends on what the client hears first: that it is fenced, or that it is in no transaction.
    with pytest.raises(Fatal, match=r"(another run has begun|Kafka did not confirm it).* Run it again"):
        await redrive(site)

    assert await keys(site) == articles([0, 2])


async def test_a_commit_without_an_answer_is_not_repeated(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is unknown whether a batch went through, the run stops, and the next one reads the truth."""
    await put(site, [dead(site, request(site, number)) for number in (0, 2)])
    commit = KafkaEpoch.commit

    async def lost(self: KafkaEpoch) -> None:
        await commit(self)
        raise BusError("the answer was lost")

    with monkeypatch.context() as patched:
        patched.setattr(KafkaEpoch, "commit", lost)
        with pytest.raises(Fatal, match="Run it again"):
            await redrive(site)

    assert run_json(site, "redrive", "--execute")["letters"] == 0
    assert await keys(site) == articles([0, 2])


def kill_when_caught(site: Site, folder: Path) -> None:
    """Redrive, and kill the run at the armed failpoint."""
    caught = subprocess.Popen(  # noqa: S603 - our own command
        [*site.command, "dead-letters", "redrive", "--execute"],
        env={**os.environ, **site.env, "LEADART_WORKER__FAILPOINTS": str(folder)},
    )
    try:
        deadline = time.monotonic() + BOUND
        while not list(folder.glob("*.hit-*")):
            assert caught.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        caught.kill()
        caught.wait(BOUND)


@pytest.mark.parametrize("place", [Failpoint.BEGUN, Failpoint.COMMITTING])
async def test_a_run_that_is_killed_leaves_nothing_half_done(site: Site, tmp_path: Path, place: Failpoint) -> None:
    """Killed between begin and commit, or during the commit, and run again: each letter is redriven once."""
    numbers = range(0, 500, 2)
    await put(site, [dead(site, request(site, number)) for number in numbers])
    (tmp_path / f"{place}.armed").touch()
    await asyncio.to_thread(kill_when_caught, site, tmp_path)
    rest = run_json(site, "redrive", "--execute")["letters"]

    assert rest in {50, 250}
    assert await keys(site) == articles(numbers)


async def test_two_at_once_do_not_double(site: Site) -> None:
    """Of two concurrent runs one may stop with the advice to run it again; no letter is redriven twice."""
    numbers = range(1000)
    await put(site, [dead(site, request(site, number)) for number in numbers])
    runs = await asyncio.gather(*[asyncio.to_thread(site.run, "dead-letters", "redrive", "--execute") for _ in "ab"])
    stopped = [run.stderr for run in runs if run.returncode]

    assert all("Run it again" in sentence for sentence in stopped)
    assert len(stopped) < 2
    assert site.run("dead-letters", "redrive", "--execute").returncode == 0
    assert await keys(site) == articles(numbers)


async def test_what_cannot_be_redriven_is_refused_with_a_sentence(site: Site) -> None:
    """Foreign topics, missing partitions, lost originals, records too large or impossible to write are left."""
    whole = {
        "not a lane": request(site, 0, topic="payments"),
        "has 2": request(site, 0, partition=7),
        "takes 262144": request(site, 0, value=b"x" * 270_000),
        "neither key nor value": request(site, 0, key=None, value=None),
    }
    wanted = [*(dead(site, record) for record in whole.values()), dead(site, request(site, 0), whole=False)]
    placed = await put(site, [replace(letter, partition=0) for letter in wanted])
    report = run_json(site, "redrive", "--execute", status=1)
    why = {refusal["at"]: refusal["why"] for refusal in report["refusals"]}

    assert (report["letters"], report["refused"]) == (0, 5)
    for at, sentence in zip(placed, [*whole, "the original is gone"], strict=True):
        assert sentence in why[str(at)]
    assert await records(site, names.REQUESTED) == []
    assert run_json(site, "redrive", "9:9", "0:77", status=1)["refused"] == 2
    assert "has no partition 9" in run_json(site, "purge", "9:9", status=1)["refusals"][0]["why"]


async def test_what_was_never_read_is_not_redriven(site: Site) -> None:
    """A batch too large to read is refused with the dead letter's own sentence, a record too large with that one."""
    servers, lane = site.env["LEADART_KAFKA__BOOTSTRAP_SERVERS"], site.topic(names.REQUESTED)
    offset = await produce(servers, Partition(lane, 0), bomb(2))
    batch = Record(lane, 0, offset + 9, None, None, (), 0, not_read="The batch was not read.")
    (large,) = await records(site, names.REQUESTED)
    placed = await put(site, [dead(site, one, Reason.TOO_LARGE) for one in (batch, large)])
    report = run_json(site, "redrive", "--execute", status=1)
    why = {refusal["at"]: refusal["why"] for refusal in report["refusals"]}

    assert (report["letters"], report["refused"]) == (0, 2)
    assert "it stands for a whole batch: It is so" in why[str(placed[0])]
    assert "was not read: send only the request" in why[str(placed[1])]


async def test_an_original_that_was_not_kept_is_read_from_its_lane(site: Site, tmp_path: Path) -> None:
    """A letter that holds only the key is redriven, and shown, with value and headers from the lane."""
    async with cms(site) as desk:
        await desk.ask(request_data("a-1"))
    (original,) = await records(site, names.REQUESTED)
    (at,) = await put(site, [dead(site, original, whole=False)])
    assert site.run("dead-letters", "show", str(at), "--value-to", str(tmp_path / "value")).returncode == 0
    assert (tmp_path / "value").read_bytes() == original.value

    assert run_json(site, "redrive", "--execute")["letters"] == 1
    again = (await records(site, names.REQUESTED))[-1]
    assert (again.key, again.value, again.partition) == (original.key, original.value, original.partition)
    assert again.headers[: len(original.headers)] == original.headers


async def test_purged_letters_are_deleted_from_the_start_of_the_partition(site: Site) -> None:
    """Purged letters are skipped by redrive; they are deleted up to the first open one, and later the rest."""
    await put(site, [dead(site, request(site, number)) for number in (0, 2, 4)])
    assert run_json(site, "purge", "--article", "a-0")["letters"] == 1
    assert run_json(site, "purge", "--article", "a-4", "--execute")["deleted"] == 0
    assert [row["state"] for row in run_json(site, "list", "--all")["rows"]] == ["open", "open", "purged"]
    assert run_json(site, "purge", "--article", "a-0", "--execute")["deleted"] == 1
    assert [row["article"] for row in run_json(site, "list", "--all")["rows"]] == ["a-2", "a-4"]

    assert run_json(site, "redrive", "--execute")["letters"] == 1
    assert await keys(site) == ["a-2"]
    assert run_json(site, "purge", "--done")["deleted"] == 2
    assert run_json(site, "purge", "--done", "--execute")["deleted"] == 2
    assert await letters(site) == []


async def test_foreign_records_are_left_alone(site: Site) -> None:
    """What leadart did not write is counted, neither redriven nor purged, and nothing behind it is deleted."""
    foreign = OutgoingRecord(site.topic(names.DEAD_LETTER), 0, b"k", b"v", (("leadart-mark", b"redriven"),))
    await put(site, [foreign, dead(site, request(site, 0))])

    assert run_json(site, "list")["strangers"] == 1
    assert (
        run_json(site, "redrive", "0:0", "--execute", status=1)["refusals"][0]["why"] == "it was not written by leadart"
    )
    report = run_json(site, "purge", "--every", "--execute")
    assert (report["letters"], report["deleted"]) == (1, 0)


MISTAKES = [
    (("list", "--since", "yesterday"), 2, "with its time zone"),
    (("show", "3"), 2, "such as 3:1042"),
    (("purge", "--execute"), 2, "Say which dead letters"),
    (("redrive",), 1, "leadart topics apply"),
]


@pytest.mark.parametrize(("arguments", "status", "sentence"), MISTAKES)
def test_a_mistake_is_answered_with_a_sentence(
    kafka: KafkaServer, s3: S3Server, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    """What cannot be parsed, and a missing topic, are answered in a sentence without a traceback."""
    done = Site.fresh(kafka, s3).run("dead-letters", *arguments)

    assert done.returncode == status
    assert sentence in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
