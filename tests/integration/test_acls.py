"""The documented ACLs on a broker with its authorizer on: all of them suffice, and each missing one is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from consumer.delivery.ports import CommittedOffset, OutgoingRecord
from consumer.delivery.retry import RetryState
from consumer.dev.embedded.s3 import S3Server
from consumer.errors import Rejected
from consumer.jobs import Record
from consumer.kafka.admin_client import open_admin
from consumer.kafka.client import connection
from consumer.kafka.producer import open_epoch
from consumer.kafka.topics import LANES
from consumer.processing.outcomes import OutcomeBuilder
from consumer.settings import KafkaSettings
from schemas import Reason, names
from tests.support.acls import Acl, documented, grant, lacking, revocable, revoked, with_each_missing
from tests.support.guarded import GuardedKafka, password_of
from tests.support.harness import BOUND, Cms, Site, WorkerProcess, answer, request_data, workers

DOCTOR_ONLY = "DescribeConfigs"
ACLS = documented()


def of(user: str, *, but: str = "") -> dict[str, Acl]:
    """Return a user's documented ACLs by their text, without those whose operation is `but`."""
    return {str(acl): acl for acl in ACLS if acl.user == user and acl.operation != but}


WORKER, DOCTOR = of("leadart", but=DOCTOR_ONLY), {k: v for k, v in of("leadart").items() if DOCTOR_ONLY in k}
PUBLISHER, SUBSCRIBER, OPERATOR = of("cms-publisher"), of("cms-subscriber"), of("leadart-operator")


@pytest.fixture(scope="module")
def documented_site(guarded: GuardedKafka, s3: S3Server) -> Site:
    """The site of the page: its group, no prefix; topics and offsets created by the operator."""
    plain = {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_MECHANISM": "PLAIN", "GROUP_ID": "leadart"}
    settings = {f"KAFKA__{name}": value for name, value in plain.items()}
    site = Site.fresh(guarded, s3, **settings, KAFKA__BOOTSTRAP_SERVERS=guarded.sasl, TOPICS__PREFIX="")
    asyncio.run(grant_all(guarded))
    operator = as_user(site, "leadart-operator")
    for command in (("topics", "apply", "--start", "earliest"), ("store", "prepare", "--public")):
        done = operator.run(*command)
        assert done.returncode == 0, done.stderr
    return site


def open_door(guarded: GuardedKafka) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=guarded.bootstrap_servers)


async def grant_all(guarded: GuardedKafka) -> None:
    async with open_admin(open_door(guarded)) as admin:
        await grant(admin.client, [*with_each_missing(ACLS), *revocable(ACLS)])


def as_user(site: Site, user: str, **settings: str) -> Site:
    who = {"LEADART_KAFKA__SASL_USERNAME": user, "LEADART_KAFKA__SASL_PASSWORD": password_of(user)}
    return replace(site, env={**site.env, **who, **{f"LEADART_{name}": value for name, value in settings.items()}})


def one_short(site: Site, permission: Acl) -> Site:
    """Return the site as seen by the user who lacks just this ACL."""
    return as_user(site, lacking(permission))


@asynccontextmanager
async def newsroom(site: Site, publisher: str, subscriber: str) -> AsyncIterator[Cms]:
    """Open a CMS whose two sides are users of their own."""
    sides = [as_user(site, user).settings.kafka for user in (publisher, subscriber)]
    producer = AIOKafkaProducer(**connection(sides[0]), enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        site.topic(names.OUTCOME),
        site.topic(names.PROGRESS),
        **connection(sides[1]),
        group_id="cms",
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    async with producer, consumer:
        yield Cms(site, producer, consumer)


async def test_the_documented_permissions_are_enough(documented_site: Site, tmp_path: Path) -> None:
    """Four users with exactly these ACLs: a picture is requested, made and announced, a bad request is kept."""
    with workers(as_user(documented_site, "leadart"), tmp_path) as (worker,):
        async with newsroom(documented_site, "cms-publisher", "cms-subscriber") as desk:
            ready = await answer(desk, await desk.ask(request_data("a-1")))
            failed = await answer(desk, await desk.ask(request_data("a-1", output={"width": 5000})))
            await desk.until(lambda: bool(desk.records(names.PROGRESS)))
            await desk.publish(b"a-2", json.dumps(request_data("a-2")).encode(), topic=names.BACKFILL)
        assert worker.stop() == 0

    assert ready["pictures"]
    assert failed["reason"] == "invalid_field"
    assert "denies" not in worker.log.read_text()


async def test_one_transaction_may_write_all_that_a_worker_writes(documented_site: Site) -> None:
    """Retry lanes, outcome, dead letter and the offsets of every lane go into one transaction of the worker's user."""
    settings = as_user(documented_site, "leadart").settings.kafka
    topics = (names.RETRY_1M, names.RETRY_10M, names.RETRY_1H, names.OUTCOME, names.DEAD_LETTER)
    async with open_epoch(settings, "0", 0) as epoch:
        await epoch.begin()
        await epoch.write([OutgoingRecord(topic, 0, b"a-1", b"{}", ()) for topic in topics])
        await epoch.send_offsets(dict.fromkeys(LANES, CommittedOffset(0, "")))
        # Not committed: closing leaves it to be aborted, and no later worker reads it.


@pytest.mark.parametrize("permission", WORKER)
def test_each_permission_that_a_worker_lacks_is_named(documented_site: Site, tmp_path: Path, permission: str) -> None:
    """A worker that lacks one ACL exits with status 1 and names the topic, group or transactional id."""
    acl = WORKER[permission]
    worker = WorkerProcess(one_short(documented_site, acl), tmp_path / "worker.log")
    try:
        assert worker.process.wait(BOUND) == 1
    finally:
        worker.kill()

    (message,) = [line for line in worker.log.read_text().splitlines() if line.startswith("leadart: ")]
    what = f"{acl.operation.lower()} topic {acl.name}" if acl.resource == "topic" else named(acl)
    assert f"not authorized: {what}" in message
    assert message.count("topic ") == (acl.resource == "topic")
    assert "docs/operations/access.md" in message


REVOKED_LATER = [
    f"leadart: Write topic {names.OUTCOME}",
    f"leadart: Read topic {names.REQUESTED}",
    "leadart: Read group leadart",
    "leadart: Write transactional-id leadart.leadart.",
]


@pytest.mark.parametrize("permission", REVOKED_LATER)
async def test_a_permission_that_is_revoked_later_ends_the_worker(
    guarded: GuardedKafka, documented_site: Site, tmp_path: Path, permission: str
) -> None:
    """A running worker ends with the same message once it needs a revoked ACL."""
    acl = WORKER[permission]
    with workers(as_user(documented_site, revoked(acl)), tmp_path) as (worker,):
        async with newsroom(documented_site, "cms-publisher", "cms-subscriber") as desk:
            await answer(desk, await desk.ask(request_data("a-1")))
            async with open_admin(open_door(guarded)) as admin:
                await grant(admin.client, [replace(acl, user=revoked(acl))], allow=False)
            await desk.ask(request_data("a-2"))
        status = await asyncio.to_thread(worker.process.wait, BOUND)

    assert status == 1
    (message,) = [line for line in worker.log.read_text().splitlines() if line.startswith("leadart: ")]
    assert f"not authorized: {named(acl)}" in message


def named(acl: Acl) -> str:
    return f"{acl.resource.replace('-', ' ')} {acl.name}"


def test_the_doctor_finds_the_permissions_in_order(documented_site: Site) -> None:
    """With its own two ACLs, the doctor sees everything and finds no failure."""
    done = as_user(documented_site, "leadart").run("doctor", "--json")
    found = {finding["subject"]: finding["verdict"] for finding in json.loads(done.stdout)}

    assert done.returncode == 0, done.stdout
    assert (found["rights"], found["offsets"]) == ("ok", "ok")


@pytest.mark.parametrize("permission", [*DOCTOR, f"leadart: Write topic {names.RETRY_1H}"])
def test_the_doctor_names_what_it_may_not_see(documented_site: Site, permission: str) -> None:
    """The doctor names the missing ACL: its own, or one that a worker would stop for."""
    acl = of("leadart")[permission]
    done = one_short(documented_site, acl).run("doctor", "--json")
    message = " ".join(finding["message"] for finding in json.loads(done.stdout) if finding["verdict"] != "ok")

    assert "not authorized: " in message
    assert (acl.name if acl.resource == "topic" else "DescribeConfigs of the cluster") in message


@pytest.mark.parametrize("permission", PUBLISHER)
async def test_each_permission_that_a_publisher_lacks_is_named(documented_site: Site, permission: str) -> None:
    """A publisher that may not write to a lane gets an error from its client, with the lane's name."""
    acl = PUBLISHER[permission]
    settings = one_short(documented_site, acl).settings.kafka
    async with AIOKafkaProducer(**connection(settings), enable_idempotence=True) as producer:
        with pytest.raises(KafkaError, match=acl.name):
            await producer.send_and_wait(acl.name, b"{}", key=b"a-1")


@pytest.mark.parametrize("permission", SUBSCRIBER)
async def test_each_permission_that_a_subscriber_lacks_is_named(documented_site: Site, permission: str) -> None:
    """A subscriber that may not read gets an error from its client, with the name of topic or group."""
    acl = SUBSCRIBER[permission]
    settings = one_short(documented_site, acl).settings.kafka
    topics = (names.OUTCOME, names.PROGRESS) if acl.resource == "group" else (acl.name,)
    consumer = AIOKafkaConsumer(*topics, **connection(settings), group_id="cms", isolation_level="read_committed")
    try:
        with pytest.raises(KafkaError, match=acl.name):
            await read_something(consumer)
    finally:
        await consumer.stop()


async def read_something(consumer: AIOKafkaConsumer) -> Any:
    async with asyncio.timeout(BOUND):
        await consumer.start()
        while not (records := await consumer.getmany(timeout_ms=200)):
            pass
        return records


ELSEWHERE = "article-image-x-"
"""A topic prefix that the operator's ACLs cover, without topics yet."""


async def write_dead_letters(site: Site) -> None:
    """Write a dead letter from each lane that a publisher writes to, as a worker does."""
    settings = as_user(site, "leadart").settings
    outbox = OutcomeBuilder(settings)
    async with AIOKafkaProducer(**connection(settings.kafka)) as producer:
        for lane in (names.REQUESTED, names.BACKFILL):
            request = json.dumps(request_data("a-bad", output={"width": 5000})).encode()
            record = Record(lane, 0, 0, b"a-bad", request, (("ce_id", b"r-bad"),), 1_900_000_000_000)
            letter = outbox.failed(RetryState(record), Rejected(Reason.INVALID_FIELD, "It is so.")).records[-1]
            await producer.send_and_wait(letter.topic, letter.value, letter.key, 0, headers=list(letter.headers))


async def test_the_operators_permissions_are_enough(documented_site: Site) -> None:
    """Topics and offsets, lag, redriving and purging: everything an operator does, as the documented user."""
    await write_dead_letters(documented_site)
    operator = as_user(documented_site, "leadart-operator")
    done = [
        operator.run("topics", "apply"),
        as_user(operator, "leadart-operator", TOPICS__PREFIX=ELSEWHERE).run("topics", "apply"),
        operator.run("topics", "reset-offset-metadata", f"{names.REQUESTED}:0"),
        operator.run("lag", "--json"),
        operator.run("replay", "--from", "1d", "--failed"),
        operator.run("replay", "--from", "1d", "--execute"),
        operator.run("dead-letters", "list", "--json"),
        operator.run("dead-letters", "redrive", "--execute", "--json"),
        operator.run("dead-letters", "purge", "--every", "--execute", "--json"),
    ]

    assert operator.run("trace", "a-9").returncode == 1
    assert [command.stderr for command in done if command.returncode] == []
    assert json.loads(done[-2].stdout)["letters"] >= 2


REDRIVE = ("dead-letters", "redrive", "--execute")
NEEDED_BY = {
    "Create topic article-image-": ("topics", "apply"),
    "DescribeConfigs topic article-image-": ("topics", "apply"),
    "Read topic article-image-": ("dead-letters", "list"),
    "Read group leadart": ("lag",),
    f"Write topic {names.REQUESTED}": (*REDRIVE, "--topic", names.REQUESTED),
    f"Write topic {names.BACKFILL}": (*REDRIVE, "--topic", names.BACKFILL),
    f"Write topic {names.DEAD_LETTER}": ("dead-letters", "purge", "--every", "--execute"),
    f"Delete topic {names.DEAD_LETTER}": ("dead-letters", "purge", "--every", "--execute"),
    "Write transactional-id leadart.leadart.dead-letters.": REDRIVE,
    "Write transactional-id leadart.leadart.replay.": ("replay", "--from", "0", "--execute"),
}
"""A command that needs it, for each of the operator's ACLs."""


@pytest.mark.parametrize("permission", OPERATOR)
async def test_each_permission_that_an_operator_lacks_is_named(documented_site: Site, permission: str) -> None:
    """A command that lacks one ACL fails with a sentence that names the topic, group or transactional id."""
    acl = OPERATOR[permission]
    prefix = "article-image-y-" if acl.operation == "Create" else ""
    await write_dead_letters(documented_site)
    done = as_user(documented_site, lacking(acl), TOPICS__PREFIX=prefix).run(*NEEDED_BY[permission.partition(": ")[2]])

    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    (message,) = [line for line in done.stderr.splitlines() if line.startswith("leadart: ")]
    assert named(acl) in message
    assert "not authorized: " in message
