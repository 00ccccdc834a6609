"""What tests against real servers share: a site of their own, real worker processes, a CMS on either side."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.kafka.cms_client import open_publisher, open_subscriber
from consumer.kafka.topics import StartPosition, apply
from consumer.settings import PUBLISHED, Settings
from consumer.storage import S3Store
from schemas import names
from schemas.cloudevents import Event, write

BOUND = 240.0
"""Seconds that any wait in a test may take."""


@dataclass(frozen=True)
class Site:
    """A corner of the shared servers that no other test touches: own topics, group and bucket.

    `command` is the leadart that runs there, `folder` where it runs; None: where the tests do.
    """

    env: Mapping[str, str]
    command: tuple[str, ...] = (sys.executable, "-m", "consumer")
    folder: Path | None = None

    @classmethod
    def fresh(cls, kafka: KafkaServer, s3: S3Server, **settings: str) -> Site:
        """Make a site; `settings` are LEADART_* names without the prefix."""
        name = uuid.uuid4().hex[:8]
        env = {
            "KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KAFKA__GROUP_ID": f"group-{name}",
            "KAFKA__SESSION_TIMEOUT_SECONDS": "6",
            "TOPICS__PREFIX": f"t{name}-",
            "TOPICS__PARTITIONS": "3",
            "STORAGE__ENDPOINT_URL": s3.endpoint_url,
            "STORAGE__ACCESS_KEY_ID": s3.access_key_id,
            "STORAGE__SECRET_ACCESS_KEY": s3.secret_access_key,
            "STORAGE__BUCKET": f"bucket-{name}",
            "ENGINE__KIND": "swatch",
            "HTTP__HOST": "127.0.0.1",
            "HTTP__PORT": "0",
            "LOG__FORMAT": "json",
            **settings,
        }
        return cls({f"LEADART_{key}": value for key, value in env.items()})

    @property
    def settings(self) -> Settings:
        """The same settings as an object."""
        tree: dict[str, Any] = {}
        for key, value in self.env.items():
            section, name = key.removeprefix("LEADART_").lower().split("__")
            tree.setdefault(section, {})[name] = value
        return Settings.model_validate(tree)

    def changed(self, **settings: str) -> Site:
        """Return the same corner with other settings for the next worker."""
        return replace(self, env={**self.env, **{f"LEADART_{name}": value for name, value in settings.items()}})

    def without(self, setting: str) -> Site:
        """Return the same corner with that setting at its default."""
        return replace(self, env={name: value for name, value in self.env.items() if name != f"LEADART_{setting}"})

    def topic(self, base: str) -> str:
        """Return the full name of a topic here."""
        own = "" if base in PUBLISHED else self.env.get("LEADART_TOPICS__OWN_PREFIX", "")
        return self.env["LEADART_TOPICS__PREFIX"] + own + base

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a leadart command here to its end."""
        return subprocess.run(  # noqa: S603 - our own command
            [*self.command, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )

    def prepare(self, start: str = "earliest") -> Self:
        """Create topics, starting offsets and the bucket."""
        with ThreadPoolExecutor(1) as thread:  # the caller may have an event loop of its own
            thread.submit(asyncio.run, self.make_ready(StartPosition(start))).result(BOUND)
        return self

    async def make_ready(self, start: StartPosition = StartPosition.EARLIEST) -> None:
        """Do what `leadart topics apply` and `leadart store prepare --public` do.

        Without two more processes to start, and without the second one's race of writers: a second or more each.
        """
        await apply(self.settings, start)
        async with S3Store(self.settings.storage) as store:
            await store.prepare(create=True, public=True)


class SiteProcess:
    """A real leadart command that serves pages of its own, such as `/readyz`."""

    def __init__(self, site: Site, log: Path, command: str) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [*site.command, command],
                cwd=site.folder,
                env={**os.environ, **site.env},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def address(self) -> str:
        """Where its pages are; waits for the log line that tells."""
        deadline = time.monotonic() + BOUND
        while time.monotonic() < deadline:
            found = re.search(r'"host": "([^"]+)", "port": (\d+)', self.log.read_text())
            if found:
                return f"http://{found[1]}:{found[2]}"
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def get(self, path: str) -> tuple[int, str]:
        """Fetch one of its pages: status and body."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=5) as answer:  # noqa: S310 - loopback
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def wait_ready(self) -> Self:
        """Wait until it may be given work."""
        deadline = time.monotonic() + BOUND
        while (status := self.get("/readyz"))[0] != 200:
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that is gone already does not mind."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ask it to stop and wait for its exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(BOUND)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(BOUND)


class WorkerProcess(SiteProcess):
    """A real `leadart worker`."""

    def __init__(self, site: Site, log: Path) -> None:
        super().__init__(site, log, "worker")


@contextmanager
def workers(site: Site, folder: Path, count: int = 1) -> Iterator[list[WorkerProcess]]:
    """Run so many workers, ready on entry; all ended on exit, whatever happened."""
    running = [WorkerProcess(site, folder / f"worker-{number}.log") for number in range(count)]
    try:
        for worker in running:
            worker.wait_ready()
        yield running
    except BaseException:
        for worker in running:
            sys.stderr.write("\n".join([f"--- {worker.log} ends ---", *worker.log.read_text().splitlines()[-60:], ""]))
        raise
    finally:
        for worker in running:
            worker.signal(signal.SIGCONT)
            worker.kill()


def request_data(article_id: str, revision: int = 1, **parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a small valid request; `parts` replace or extend its objects."""
    data: dict[str, Any] = {
        "article": {"id": article_id, "revision": revision, "headline": "Storm over the harbour"},
        "output": {"width": 64, "height": 64},
        "generation": {"steps": 2},
    }
    for name, part in parts.items():
        data[name] = {**data.get(name, {}), **part} if isinstance(part, dict) else part
    return data


@dataclass
class Cms:
    """A publisher and a subscriber, as a CMS has them."""

    site: Site
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    seen: list[ConsumerRecord[bytes, bytes]] = field(default_factory=list)

    async def ask(
        self,
        data: Mapping[str, Any],
        *,
        event_id: str | None = None,
        event_type: str = names.IMAGE_REQUESTED,
        topic: str = names.REQUESTED,
        **extensions: str,
    ) -> str:
        """Publish a request and return its event id."""
        event = Event(
            id=event_id or uuid.uuid4().hex,
            source="/cms/test",
            type=event_type,
            extensions=extensions,
            data=data,
        )
        headers, value = write(event)
        await self.publish(data["article"]["id"].encode(), value, headers, topic)
        return event.id

    async def publish(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
        topic: str = names.REQUESTED,
    ) -> None:
        """Publish any record at all."""
        await self.producer.send_and_wait(self.site.topic(topic), value, key=key, headers=headers or [])

    async def until(self, enough: Callable[[], bool], seconds: float = BOUND) -> None:
        """Listen until the condition holds."""
        deadline = time.monotonic() + seconds
        while not enough():
            assert time.monotonic() < deadline, f"{len(self.seen)} records seen: {[r.value for r in self.seen][-5:]}"
            for records in (await self.consumer.getmany(timeout_ms=100)).values():
                self.seen.extend(records)

    async def settle(self) -> None:
        """Listen until the topics are read to their end."""
        partitions = [
            TopicPartition(topic, number)
            for topic in self.consumer.subscription()
            for number in self.consumer.partitions_for_topic(topic)
        ]
        ends = await self.consumer.end_offsets(partitions)
        deadline = time.monotonic() + BOUND
        while any([await self.consumer.position(tp) < end for tp, end in ends.items()]):
            assert time.monotonic() < deadline
            for records in (await self.consumer.getmany(timeout_ms=100)).values():
                self.seen.extend(records)

    def records(self, base: str) -> list[ConsumerRecord[bytes, bytes]]:
        """Return what was seen on one topic."""
        return [record for record in self.seen if record.topic == self.site.topic(base)]

    def outcomes(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """Return the outcomes seen, each with its event's `ce_` attributes under `ce`; of one request, if told."""
        told = []
        for record in self.records(names.OUTCOME):
            data = json.loads(record.value or b"")
            data["ce"] = {name.removeprefix("ce_"): value.decode() for name, value in record.headers}
            if request_id is None or data["request_id"] == request_id:
                told.append(data)
        return told


@asynccontextmanager
async def cms(site: Site, isolation_level: str = "read_committed") -> AsyncIterator[Cms]:
    """Open a CMS that listens to outcomes and dead letters from their beginning."""
    settings, committed = site.settings, isolation_level == "read_committed"
    bases = (names.OUTCOME, names.DEAD_LETTER)
    async with (
        open_publisher(settings) as publisher,
        open_subscriber(settings, bases, from_start=True, committed=committed) as subscriber,
    ):
        yield Cms(site, publisher.producer, subscriber.consumer)


async def answer(cms: Cms, request_id: str, seconds: float = BOUND, *, passes: int = 1) -> dict[str, Any]:
    """Wait for the one outcome of a request, or for that of its last pass."""
    await cms.until(lambda: len(cms.outcomes(request_id)) >= passes, seconds)
    outcomes = cms.outcomes(request_id)
    assert len(outcomes) == passes
    return outcomes[-1]
