"""The main job on real servers: an article is saved, its picture is announced."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import signal
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from tests.support.harness import BOUND, Site, WorkerProcess, answer, cms, request_data, workers


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3).prepare()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - loopback
        body: bytes = response.read()
        return body


async def test_a_saved_article_gets_its_pictures(site: Site, tmp_path: Path) -> None:
    """Each variant is announced with an address where exactly its bytes are."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            request_id = await desk.ask(request_data("a-1", output={"variants": 3}))
            ready = await answer(desk, request_id)

    assert ready["ce"]["type"] == names.IMAGE_READY
    assert [picture["index"] for picture in ready["pictures"]] == [0, 1, 2]
    assert len({picture["seed"] for picture in ready["pictures"]}) == 3
    for picture in ready["pictures"]:
        body = fetch(picture["url"])
        assert hashlib.sha256(body).hexdigest() == picture["sha256"]
        assert len(body) == picture["bytes"]


async def test_an_unchanged_save_costs_no_painting(site: Site, tmp_path: Path) -> None:
    """The same article saved again is announced with the pictures that are there."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            first = await answer(desk, await desk.ask(request_data("a-1")))
            second = await answer(desk, await desk.ask(request_data("a-1", revision=2)))

    assert (first["reused"], second["reused"]) == (False, True)
    assert first["pictures"][0]["key"] == second["pictures"][0]["key"]
    assert first["ce"]["id"] != second["ce"]["id"]


async def test_the_same_request_again_is_the_same_event(site: Site, tmp_path: Path) -> None:
    """A request published twice is answered twice, under one event id: the subscriber sees that it is a repeat."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            for _ in range(2):
                await desk.ask(request_data("a-1"), event_id="same")
            await desk.until(lambda: len(desk.outcomes("same")) == 2)

    assert len({outcome["ce"]["id"] for outcome in desk.outcomes("same")}) == 1


BAD: list[tuple[str, str, dict[str, Any], str | None]] = [
    ("5000x500", "invalid_field", {"output": {"width": 5000, "height": 500}}, "output.width"),
    ("ten variants", "invalid_field", {"output": {"variants": 10}}, "output.variants"),
    ("a long prompt", "too_large", {"brief": {"prompt": "x" * 100_000}}, None),
    ("an unknown style", "unknown_style", {"style": {"preset": "cubism"}}, "style.preset"),
    ("no headline", "missing_field", {"article": {"headline": None}}, "article.headline"),
]


async def test_bad_requests_are_answered_and_kept(site: Site, tmp_path: Path) -> None:
    """Each bad request gets one failed outcome that names the field, one dead letter, and the worker goes on."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            asked = {what: await desk.ask(request_data("a-1", **parts)) for what, _, parts, _ in BAD}
            await desk.publish(b"a-2", b"\xff\xfe not json", [("content-type", b"application/json")])
            await desk.publish(b"a-3", None)
            await desk.publish(None, b"{}")
            good = await answer(desk, await desk.ask(request_data("a-1")))
            await desk.until(lambda: len(desk.records(names.DEAD_LETTER)) == len(BAD) + 3)
            await desk.settle()

    assert good["pictures"]
    for what, reason, _, field in BAD:
        (failed,) = desk.outcomes(asked[what])
        assert (failed["reason"], failed["field"] if field else None) == (reason, field), what
    reasons = {outcome["article"]["id"]: outcome["reason"] for outcome in desk.outcomes() if "reason" in outcome}
    assert (reasons["a-2"], reasons["a-3"]) == ("not_cloudevent", "tombstone")
    letter = next(record for record in desk.records(names.DEAD_LETTER) if record.key == b"a-2")
    told = {name: value.decode() for name, value in letter.headers}
    assert letter.value == b"\xff\xfe not json"
    assert told["content-type"] == "application/json"
    assert told["leadart-topic"] == site.topic(names.REQUESTED)
    assert told["leadart-reason"] == "not_cloudevent"


async def test_rubbish_stops_nobody(site: Site, tmp_path: Path) -> None:
    """Hundreds of records of random bytes, keys and headers: one dead letter each, and the next request is answered."""
    dice = random.Random(7)

    def rubbish() -> bytes | None:
        return dice.randbytes(dice.randrange(60)) if dice.random() < 0.8 else None

    names_of_headers = ("content-type", "ce_id", "ce_type", "ce_source", "ce_specversion", "x")
    with workers(site, tmp_path):
        async with cms(site) as desk:
            for _ in range(300):
                headers = [(dice.choice(names_of_headers), rubbish() or b"") for _ in range(dice.randrange(5))]
                key, value = rubbish(), rubbish()
                await desk.publish(key, b"" if key is None and value is None else value, headers)
            good = await answer(desk, await desk.ask(request_data("a-1")))
            await desk.until(lambda: len(desk.records(names.DEAD_LETTER)) >= 300)
            await desk.settle()

    assert good["pictures"]
    assert len(desk.records(names.DEAD_LETTER)) == 300


async def test_a_newer_major_version_is_kept_not_guessed(site: Site, tmp_path: Path) -> None:
    """A request of a later major version is dead-lettered as `unknown_version`."""
    headers = [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_id", b"v2"),
        ("ce_source", b"/cms"),
        ("ce_type", b"org.leadart.article.image-requested.v2"),
    ]
    with workers(site, tmp_path):
        async with cms(site) as desk:
            await desk.publish(b"a-1", json.dumps(request_data("a-1")).encode(), headers)
            failed = await answer(desk, "v2")

    assert failed["reason"] == "unknown_version"


async def test_an_own_prompt_never_reaches_the_log(site: Site, tmp_path: Path) -> None:
    """What an unpublished story says stays out of the log lines."""
    with workers(site, tmp_path) as (worker,):
        async with cms(site) as desk:
            await answer(desk, await desk.ask(request_data("a-1", brief={"prompt": "the secret merger"})))
            # The line is written once the commit was answered: a subscriber may see the outcome before.
            await desk.until(lambda: '"event": "article_image"' in worker.log.read_text())
        assert "secret merger" not in worker.log.read_text()


async def test_sigterm_finishes_what_runs_and_leaves(site: Site, tmp_path: Path) -> None:
    """On SIGTERM running work is finished and committed, queued work left to the next worker, the exit status 0."""
    slow = Site({**site.env, "LEADART_ENGINE__SWATCH_SECONDS": "1", "LEADART_ENGINE__WINDOW": "2"})
    with workers(slow, tmp_path) as (worker,):
        async with cms(site) as desk:
            asked = [await desk.ask(request_data(f"a-{number}")) for number in range(8)]
            await desk.until(lambda: bool(desk.outcomes()))
            assert worker.stop() == 0
            await desk.settle()
            before = len(desk.outcomes())
            assert 1 <= before < 8
            (tmp_path / "second").mkdir()
            with workers(site, tmp_path / "second"):
                await desk.until(lambda: len(desk.outcomes()) >= 8)
                await desk.settle()

    assert sorted(outcome["request_id"] for outcome in desk.outcomes()) == sorted(asked)


async def test_a_second_signal_ends_at_once(site: Site, tmp_path: Path) -> None:
    """Who asks twice does not wait for running work."""
    slow = Site({**site.env, "LEADART_ENGINE__SWATCH_SECONDS": "300"})
    with workers(slow, tmp_path) as (worker,):
        async with cms(site) as desk:
            await desk.ask(request_data("a-1"))
            in_hand = f'leadart_jobs_in_hand{{topic="{site.topic(names.REQUESTED)}"}} 1.0'
            await desk.until(lambda: in_hand in worker.get("/metrics")[1])
        worker.signal(signal.SIGTERM)
        while '"stopping"' not in worker.log.read_text():
            psutil.Process(worker.process.pid).status()
        worker.signal(signal.SIGTERM)

        assert worker.process.wait(BOUND) == 130


async def test_pages_and_lag_tell_the_truth(site: Site, tmp_path: Path) -> None:
    """Health, metrics and `leadart lag` agree that all is done; with the worker down the lag is still told."""
    with workers(site, tmp_path) as (worker,):
        async with cms(site) as desk:
            await answer(desk, await desk.ask(request_data("a-1")))
        assert worker.get("/healthz")[0] == 200
        assert 'leadart_outcomes_total{kind="ready"} 1.0' in worker.get("/metrics")[1]
        assert worker.stop() == 0
    async with cms(site) as desk:
        await desk.ask(request_data("a-2"))
    told = json.loads(site.run("lag", "--json").stdout)

    assert told["lag"] == 1
    assert {row["incomplete"] for row in told["partitions"]} == {0, 1}


async def test_a_worker_without_topics_says_what_to_do(kafka: KafkaServer, s3: S3Server) -> None:
    """Started before its topics exist, the worker ends with the command that makes them."""
    done = Site.fresh(kafka, s3).run("worker")

    assert done.returncode == 1
    assert "leadart topics apply" in done.stdout + done.stderr


async def test_wrong_keys_are_told_before_the_first_article(site: Site, tmp_path: Path) -> None:
    """A store that refuses the worker shows in readiness, metrics and one log line; nothing is failed for it."""
    locked_out = Site({**site.env, "LEADART_STORAGE__SECRET_ACCESS_KEY": "wrong"})
    worker = WorkerProcess(locked_out, tmp_path / "worker.log")
    try:
        async with cms(site) as desk:
            await desk.ask(request_data("a-1"))
            async with asyncio.timeout(BOUND):
                while "LEADART_STORAGE__SECRET_ACCESS_KEY" not in worker.get("/readyz")[1]:
                    await asyncio.sleep(0.05)
            await desk.settle()
            assert desk.outcomes() == []
        assert worker.log.read_text().count('"event": "overloaded"') == 1
        assert worker.get("/healthz")[0] == 200
    finally:
        worker.kill()
