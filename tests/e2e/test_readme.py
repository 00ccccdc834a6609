"""The README does what it says: its programs and its commands are run as they stand there."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from tests.support.harness import BOUND, Site, workers

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).parent / "clients"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PRINTED = README + (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"<!-- docs/clients/(\S+) -->\n```\w+\n(.*?)```\n", PRINTED, re.DOTALL))
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if line.strip()
]
SERVICES = ("leadart demo", "leadart dev", "leadart worker", "leadart gateway")
"""Commands that stay: they have tests of their own."""

ARTICLE_ID = "a-1042"
"""The article that the README's programs ask for."""
TAKEN_BACK = "https://taken-back.invalid/"


@dataclass(frozen=True)
class Bench:
    """Where the README's programs in one language are run, at a site: only their topics' names get its prefix."""

    suffix: str
    interpreter: str
    folder: Path

    def command(self, name: str, site: Site) -> tuple[str, str]:
        """Put a program and the rule beside it there, and return the command line that runs it."""
        rule = f"slot.{self.suffix}"
        (self.folder / rule).write_text(PROGRAMS[rule])
        file = self.folder / f"{name}.{self.suffix}"
        text, count = re.subn('"article-image-', f'"{site.topic("article-image-")}', PROGRAMS[file.name])
        assert count == 1
        file.write_text(text)
        return self.interpreter, str(file)

    async def run(self, name: str, site: Site, *arguments: str) -> None:
        """Run a program to its end."""
        process = await asyncio.create_subprocess_exec(*self.command(name, site), *arguments, env=environment(site))
        assert await asyncio.wait_for(process.wait(), BOUND) == 0

    @asynccontextmanager
    async def listening(self, name: str, site: Site) -> AsyncIterator[asyncio.StreamReader]:
        """Run a program that never ends, and read what it prints."""
        process = await asyncio.create_subprocess_exec(
            *self.command(name, site), env=environment(site), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()
            await process.communicate()


def environment(site: Site) -> dict[str, str]:
    return {**os.environ, "KAFKA": site.env["LEADART_KAFKA__BOOTSTRAP_SERVERS"]}


@pytest.fixture(params=["py", "mjs"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param == "py":
        return Bench("py", sys.executable, tmp_path)
    return Bench("mjs", "node", request.getfixturevalue("javascript"))


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3, TOPICS__PARTITIONS="12").prepare()


async def announce_and_take_back(site: Site) -> None:
    """Leave on the outcome topic what a worker leaves that dies before its commit."""
    servers = site.env["LEADART_KAFKA__BOOTSTRAP_SERVERS"]
    false = {"article": {"id": ARTICLE_ID, "revision": 6}, "pictures": [{"url": TAKEN_BACK}]}
    async with AIOKafkaProducer(bootstrap_servers=servers, transactional_id=uuid.uuid4().hex) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(
            site.topic(names.OUTCOME),
            json.dumps(false).encode(),
            key=ARTICLE_ID.encode(),
            headers=[("ce_type", names.IMAGE_READY.encode())],
        )
        await producer.abort_transaction()


async def pictures_told(output: asyncio.StreamReader, count: int) -> list[tuple[str, str]]:
    """Wait until the subscriber printed so many pictures; return revision and address of each."""
    told: list[tuple[str, str]] = []
    async with asyncio.timeout(BOUND):
        while len(told) < count:
            line = (await output.readline()).decode()
            assert line, f"the subscriber ended after {told}"
            if re.match(rf"{ARTICLE_ID} \d+ http", line):  # kafkajs logs to stdout as well
                _, revision, address = line.split()
                told.append((revision, address))
    return told


async def line_told(output: asyncio.StreamReader, wanted: str) -> None:
    """Wait until the subscriber printed that line."""
    async with asyncio.timeout(BOUND):
        while (line := (await output.readline()).decode()).strip() != wanted:
            assert line, f"the subscriber ended before {wanted!r}"


def names_of(told: list[tuple[str, str]]) -> list[str]:
    """Return the objects' names: of one picture, each outcome signs an address of its own."""
    return [Path(urlsplit(address).path).name for _, address in told]


def digest(address: str) -> str:
    """Fetch a picture and return the SHA-256 of its bytes, which is also its object's name."""
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - loopback
        return hashlib.sha256(answer.read()).hexdigest()


async def test_a_cms_publishes_and_subscribes(bench: Bench, site: Site, tmp_path: Path) -> None:
    """The README's subscriber prints where the pictures are that its publisher asked for, and nothing taken back."""
    await announce_and_take_back(site)

    with workers(site, tmp_path):
        async with bench.listening("subscribe", site) as output:
            await bench.run("publish", site)
            told = await pictures_told(output, 2)

    assert [revision for revision, _ in told] == ["7", "7"]
    for _, address in told:
        assert digest(address) == Path(urlsplit(address).path).stem


async def test_an_editor_decides(bench: Bench, site: Site, tmp_path: Path) -> None:
    """The subscriber shows the choice through the next save, the save's own once let go, and nothing once withdrawn."""
    with workers(site, tmp_path):
        async with bench.listening("subscribe", site) as output:
            await bench.run("publish", site)
            first, second = [address for _, address in await pictures_told(output, 2)]
            await bench.run("decide", site, "choose", digest(second))
            chosen = await pictures_told(output, 1)
            await bench.run("publish", site)
            kept = await pictures_told(output, 1)
            await bench.run("decide", site, "let-go")
            let_go = await pictures_told(output, 1)
            await bench.run("publish", site)
            painted = await pictures_told(output, 2)
            await bench.run("decide", site, "withdraw")
            await line_told(output, f"{ARTICLE_ID} hero shows nothing")

    assert names_of(chosen) == names_of(kept) == names_of(let_go) == names_of([("7", second)])
    assert names_of(painted) == names_of([("7", first), ("7", second)])


def test_both_clients_put_an_article_on_one_partition(javascript: Path) -> None:
    """Publishers with kafkajs and with aiokafka keep an article's order: both choose the same partition for its id."""
    ids = [ARTICLE_ID, "文章-7", "ünïcode", "🌩", "x" * 200, *(f"a-{number}" for number in range(200))]
    command = ["node", str(javascript / "partitions.mjs"), "12", *ids]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND, check=True)  # noqa: S603 - our own
    partitions, choose = list(range(12)), DefaultPartitioner()

    assert json.loads(done.stdout) == [choose(key.encode(), partitions, partitions) for key in ids]


def test_the_operators_commands_run(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """The README's leadart commands, run in their order in an empty place, prepare it for a worker and tell of it."""
    leadart = str(Path(sys.executable).with_name("leadart"))
    site = Site.fresh(kafka, s3, GATEWAY__KEYS_FILE="keys.json")  # which the README exports
    site = replace(site, command=(leadart,), folder=tmp_path)
    told = {}
    for line in [line for line in COMMANDS if line.startswith("leadart ") and not line.startswith(SERVICES)]:
        done = site.run(*shlex.split(line)[1:])
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        told[line] = done.stdout

    assert json.loads(told["leadart lag --json"])["lag"] == 0
    assert "oil_painting" in told["leadart styles"]
    assert {file.name for file in tmp_path.glob("*.png")} == {"sheet.png", "boat.png"}
    assert {file.suffix for file in (tmp_path / "crops").iterdir()} == {".avif", ".webp", ".jpg"}
    with workers(site, tmp_path) as (worker,):
        assert all(worker.get(page)[0] == 200 for page in ("/metrics", "/healthz", "/readyz"))
