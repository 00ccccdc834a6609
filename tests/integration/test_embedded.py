from __future__ import annotations

import asyncio
import socket
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError
from pydantic import HttpUrl, SecretStr

from consumer.dev.embedded import EmbeddedMissing, KafkaServer, S3Server, Server
from consumer.dev.embedded.jars import MIRROR
from consumer.settings import StorageSettings
from consumer.storage import S3Store
from tests.support.samples import ASKED, MASTER, recipe_of

_PICTURE = replace(MASTER, data=bytes(100_000))
"""Too large for the store's index: it needs a volume."""


@pytest.fixture
async def topic(kafka: KafkaServer, request: pytest.FixtureRequest) -> str:
    name: str = request.node.name
    await _make_topic(kafka, name)
    return name


async def _make_topic(kafka: KafkaServer, name: str, partitions: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])
    finally:
        await admin.close()


async def _send(kafka: KafkaServer, topic: str, value: bytes) -> None:
    """Send in a transaction: the most that is asked of a broker."""
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{topic}-tx") as producer,
        producer.transaction(),
    ):
        await producer.send_and_wait(topic, value)


async def _read(kafka: KafkaServer, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    consumer.assign([TopicPartition(topic, 0)])
    async with consumer:
        record = await asyncio.wait_for(consumer.getone(), 20)
    value: bytes | None = record.value
    return value


async def test_transactions_go_through(kafka: KafkaServer, topic: str) -> None:
    """What a transaction wrote is read by a read-committed consumer."""
    await _send(kafka, topic, b"hello")

    assert await _read(kafka, topic) == b"hello"


async def test_topics_are_not_made_by_asking(kafka: KafkaServer) -> None:
    """A topic that nobody made does not exist, as in production."""
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, request_timeout_ms=1000) as producer:
        with pytest.raises(UnknownTopicOrPartitionError):
            await producer.partitions_for("nobody-made-this")


async def test_a_killed_broker_comes_back_with_its_records(tmp_path: Path, kafka: KafkaServer) -> None:
    """After `kill -9` and a start the broker is on the same port and has what it had acknowledged."""
    assert kafka.running
    with KafkaServer(tmp_path) as own:
        await _make_topic(own, "kept")
        await _send(own, "kept", b"still here")
        await asyncio.to_thread(own.kill)
        await asyncio.to_thread(own.start)
        assert await _read(own, "kept") == b"still here"
        await asyncio.to_thread(own.freeze)
        await asyncio.to_thread(own.thaw)
        assert await _read(own, "kept") == b"still here"


_COMMITTER = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

async def commit(partition):
    async with AIOKafkaProducer(bootstrap_servers=sys.argv[1], transactional_id=f"tx-{partition}") as producer:
        while True:
            async with producer.transaction():
                await producer.send_and_wait("busy", b"x", partition=partition)
            print("committed", flush=True)

async def main():
    await asyncio.gather(*(commit(partition) for partition in range(12)))

asyncio.run(main())
"""


async def _end_offsets(kafka: KafkaServer, topic: str, isolation_level: str) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, isolation_level=isolation_level)
    async with consumer:
        offsets: dict[TopicPartition, int] = await consumer.end_offsets([TopicPartition(topic, n) for n in range(12)])
        return offsets


async def test_no_transaction_hangs_after_a_kill(tmp_path: Path, kafka: KafkaServer) -> None:
    """A broker killed in the midst of commits finishes or aborts all of them: no reader waits for ever."""
    assert kafka.running
    with KafkaServer(tmp_path) as own:
        await _make_topic(own, "busy", partitions=12)
        committer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _COMMITTER, own.bootstrap_servers, stdout=asyncio.subprocess.PIPE
        )
        assert committer.stdout is not None
        await asyncio.wait_for(committer.stdout.readline(), 20)  # the first commits are the slowest to be finished
        await asyncio.to_thread(own.kill)
        committer.kill()
        await committer.communicate()

        await asyncio.to_thread(own.start)
        for partition in range(12):
            async with AIOKafkaProducer(bootstrap_servers=own.bootstrap_servers, transactional_id=f"tx-{partition}"):
                pass  # aborts what this id left open
        assert "Couldn't find leader endpoint" not in own.log.read_text()  # said when a marker is dropped
        async with asyncio.timeout(20):
            while await _end_offsets(own, "busy", "read_committed") != await _end_offsets(
                own, "busy", "read_uncommitted"
            ):
                pass


async def test_a_restarted_store_takes_and_has_objects_at_once(tmp_path: Path, s3: S3Server) -> None:
    """After `kill -9` and a start, and after a restart, the first write succeeds and what was kept is there."""
    assert s3.running
    with S3Server(tmp_path) as own:
        settings = StorageSettings(
            endpoint_url=HttpUrl(own.endpoint_url),
            access_key_id=own.access_key_id,
            secret_access_key=SecretStr(own.secret_access_key),
            timeout_seconds=5,
        )
        async with S3Store(settings) as store:
            await store.prepare(create=True)
            kept = [await store.keep(recipe_of(seed=0), _PICTURE, ASKED)]
            for number, again in enumerate((own.kill, own.stop), start=1):
                await asyncio.to_thread(again)
                await asyncio.to_thread(own.start)
                kept.append(await store.keep(recipe_of(seed=number), _PICTURE, ASKED))
            assert [await store.find(recipe_of(seed=number)) for number in range(3)] == kept


@pytest.mark.parametrize("name", ["kafka", "s3"])
def test_only_loopback_is_served(name: str, request: pytest.FixtureRequest) -> None:
    """No port of an embedded server can be reached from another machine."""
    server: Server = request.getfixturevalue(name)
    listening = [c for c in psutil.Process(server.pid).net_connections() if c.status == psutil.CONN_LISTEN]

    assert listening
    assert {connection.laddr.ip.removeprefix("::ffff:") for connection in listening} == {"127.0.0.1"}


def test_two_stores_live_side_by_side(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second server, its folder given as a relative one, has ports, keys and data of its own."""
    monkeypatch.chdir(tmp_path)
    with S3Server(Path("other")) as other:
        assert other.endpoint_url != s3.endpoint_url
        assert other.secret_access_key != s3.secret_access_key


def test_cached_jars_need_no_network(kafka: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the jars are fetched, a broker starts while the repository cannot be reached."""
    assert kafka.running
    monkeypatch.setenv(MIRROR, "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    with KafkaServer(Path("other")) as other:
        host, port = other.bootstrap_servers.split(":")
        with socket.create_connection((host, int(port)), timeout=5):
            pass


def test_without_jars_and_network_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With neither jars nor a repository the broker says what to do instead of failing in Java."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv(MIRROR, "http://127.0.0.1:9")
    with pytest.raises(EmbeddedMissing, match=MIRROR):
        KafkaServer(tmp_path).start()
