"""What the outside can see of a worker that was fed rubbish: log, metrics, objects; none of it may carry texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import aioboto3
from prometheus_client.parser import text_string_to_metric_families

from consumer.settings import StorageSettings
from tests.fuzz.case import SECRET
from tests.support.harness import WorkerProcess

LINE_BYTES: Final = 16_384
OBJECT: Final = re.compile(
    r"pictures/([0-9a-f]{2}/[0-9a-f]{64}\.(png|webp|jpg|avif)|probe)|"
    r"manifests/((pictures/)?[0-9a-f]{2}/[0-9a-f]{64}(/[0-9a-f]{64}-[0-9a-f]{16}(\.files)?)?\.json|probe)|"
    r"manifests/articles/[0-9a-f]{64}/[a-z0-9_-]{1,64}/[0-9a-f]{64}\.json|"
    r"manifests/references/[0-9a-f]{2}/[0-9a-f]{64}/[0-9a-f]{64}\.[a-z0-9_-]{1,64}\.json|"
    r"manifests/withdrawn/[0-9a-f]{64}\.json"
)
EXPECTED_ERRORS: Final = frozenset({"announcement_too_large"})
"""A batch that swells beyond what a dead letter holds is told at this level, with where the original lies."""
LABEL: Final = re.compile(r"[\w .:+/()-]{0,200}", re.ASCII)
ALWAYS_ZERO: Final = (
    "leadart_failures_total",
    "leadart_retries_total",
    "leadart_engine_restarts_total",
    "leadart_shard_reopens_total",
    "leadart_breaker_open",
)


def log_problems(log: bytes) -> Iterator[str]:
    """Say which lines are no JSON, hold raw characters, are huge, tell of defects, or repeat a story."""
    for number, line in enumerate(log.splitlines(), 1):
        if not line.isascii() or not line.decode("ascii").isprintable():
            yield f"log line {number} holds raw characters: {line!r:.200}"
            continue
        try:
            told = json.loads(line)
        except ValueError:
            yield f"log line {number} is no JSON: {line!r:.200}"
            continue
        if SECRET.encode() in line:
            yield f"log line {number} repeats a text: {line!r:.300}"
        if len(line) > LINE_BYTES:
            yield f"log line {number} has {len(line)} bytes: {line!r:.200}"
        if told.get("level") not in {"debug", "info", "warning"} and told.get("event") not in EXPECTED_ERRORS:
            yield f"log line {number}: {line!r:.2000}"


def metric_problems(page: str) -> Iterator[str]:
    """Say which samples carry texts in their labels, and which counters of failures moved."""
    if SECRET in page or not page.isascii():
        yield "the metrics repeat a text"
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            odd = [value for value in sample.labels.values() if not LABEL.fullmatch(value)]
            if odd:
                yield f"{sample.name} has the labels {odd!r:.200}"
            if sample.name in ALWAYS_ZERO and sample.value:
                yield f"{sample.name}{sample.labels} is {sample.value}"


def worker_problems(worker: WorkerProcess) -> Iterator[str]:
    """Look at a worker's log and pages after the run; it has to live and be ready."""
    if worker.process.poll() is not None:
        yield f"the worker ended with {worker.process.returncode}: {worker.log.read_text()[-2000:]}"
        return
    for path in ("/healthz", "/readyz"):
        status, body = worker.get(path)
        if status != 200:
            yield f"{path} answers {status}: {body:.300}"
    yield from metric_problems(worker.get("/metrics")[1])
    yield from log_problems(worker.log.read_bytes())


async def object_problems(settings: StorageSettings) -> list[str]:
    """Say which objects have names that are not made of digests."""
    secret = settings.secret_access_key
    client: Any = aioboto3.Session().client(
        "s3",
        endpoint_url=str(settings.endpoint_url),
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
    )
    names = []
    async with client as s3:
        async for page in s3.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket):
            names += [entry["Key"] for entry in page.get("Contents", [])]
    assert names, "nothing was painted at all"
    return [f"an object is called {name!r:.200}" for name in names if not OBJECT.fullmatch(name)]
