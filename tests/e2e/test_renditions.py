"""Renditions and re-crops on real servers: every announced file is there, and an editor waits for no engine."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from aiohttp import web

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.pictures.decoding import measure
from consumer.storage.client import open_client
from consumer.storage.manifest import manifest_key
from schemas import names
from tests.support.harness import Cms, Site, answer, cms, request_data, workers
from tests.support.store_rules import Forward, RuledStore, StoreCall, refused

BACKLOG = 60
CROPS = 20
PROMPT_SECONDS = 1.0
"""Limit for the median re-crop beside a busy engine, on a machine that runs other tests."""


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3).prepare()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - loopback
        body: bytes = response.read()
        return body


def assert_fetched(pictures: Iterable[Mapping[str, Any]]) -> None:
    """Fetch every file that an event names: its bytes, type and size are those announced."""
    for picture in pictures:
        for file in (picture, *picture["renditions"]):
            body = fetch(file["url"])
            assert (hashlib.sha256(body).hexdigest(), len(body)) == (file["sha256"], file["bytes"])
            facts = measure(body)
            assert (facts.media_type, facts.width, facts.height) == (
                file["media_type"],
                file["width"],
                file["height"],
            )


def keys(ready: Mapping[str, Any]) -> list[list[str]]:
    return [[file["key"] for file in (picture, *picture["renditions"])] for picture in ready["pictures"]]


def recrop_of(ready: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    return {
        "article": ready["article"],
        "picture": {"sha256": ready["pictures"][0]["sha256"]},
        "focal_point": {"x": 0.25, "y": 0.75},
        **parts,
    }


async def remove(site: Site, *keys: str) -> None:
    async with open_client(site.settings.storage) as client:
        for key in keys:
            await client.delete_object(Bucket=site.settings.storage.bucket, Key=key)


async def test_one_save_gets_every_file_and_nine_variants_a_thumb_each(site: Site, tmp_path: Path) -> None:
    """Each announced file can be fetched and is what the event says; a choice of nine is 9 files, not 117."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            whole = await answer(desk, await desk.ask(request_data("a-1", output={"width": 1024, "height": 1024})))
            choice = await answer(desk, await desk.ask(request_data("a-2", output={"variants": 9})))
            again = await answer(desk, await desk.ask(request_data("a-1", 2, output={"width": 1024, "height": 1024})))

    (picture,) = whole["pictures"]
    made = sorted((one["name"], one["media_type"].partition("/")[2]) for one in picture["renditions"])
    both = [(name, kind) for name in ("hero-640", "hero-960", "landscape-960") for kind in ("avif", "webp")]
    single = [("social-1024", "jpeg"), ("square-720", "webp"), ("thumb-320", "webp")]
    assert made == sorted(both + single)
    assert {one["name"] for one in picture["renditions_missing"]} == {"hero-1280", "hero-1920", "social-1200"}
    assert picture["thumbhash"]
    assert picture["focal_point"]["source"] == "centre"
    assert whole["disclosure"]["ai_generated"]
    assert [[one["set"] for one in each["renditions"]] for each in choice["pictures"]] == [["thumb"]] * 9
    assert again["reused"]
    assert keys(again) == keys(whole)
    assert_fetched([*whole["pictures"], *choice["pictures"]])


@pytest.mark.alone
async def test_a_re_crop_is_answered_at_once_beside_a_busy_engine(site: Site, tmp_path: Path) -> None:
    """With the engine full for a minute an editor's crops come in a fraction of a second, with files that exist."""
    slow = site.changed(ENGINE__SWATCH_SECONDS="1", ENGINE__WINDOW="1")
    with workers(slow, tmp_path):
        async with cms(site) as desk:
            first = await answer(desk, await desk.ask(request_data("a-1", output={"width": 512, "height": 512})))
            for number in range(BACKLOG):
                await desk.ask(request_data(f"b-{number}"))
            seconds, cropped = [], []
            for number in range(CROPS):
                begun = time.monotonic()
                point = {"x": 0.5, "y": number / CROPS}
                asked = await desk.ask(recrop_of(first, focal_point=point), event_type=names.IMAGE_RECROP_REQUESTED)
                cropped.append(await answer(desk, asked))
                seconds.append(time.monotonic() - begun)
            painted = len(desk.outcomes()) - 1 - CROPS

    assert painted < BACKLOG, "the engine was not busy"
    assert median(seconds) < PROMPT_SECONDS
    assert all(one["reused"] and one["seconds"]["engine"] == 0 for one in cropped)
    assert {one["pictures"][0]["sha256"] for one in cropped} == {first["pictures"][0]["sha256"]}
    assert len({rendition["sha256"] for one in cropped for rendition in one["pictures"][0]["renditions"]}) > CROPS
    assert_fetched(cropped[-1]["pictures"])


async def test_a_lost_picture_is_painted_again_and_a_withdrawn_one_fails(site: Site, tmp_path: Path) -> None:
    """Without its file it is painted from its recipe; without its manifest it is unknown, and nothing is announced."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            ready = await answer(desk, await desk.ask(request_data("a-1")))
            (picture,) = ready["pictures"]
            await remove(site, picture["key"])
            lost = await recrop(desk, recrop_of(ready))
            await remove(site, picture["key"], manifest_key(picture["recipe"]))
            withdrawn = await recrop(desk, recrop_of(ready, focal_point={"x": 0.5, "y": 0.1}))

    assert (lost["ce"]["type"], lost["reused"], lost["pictures"][0]["sha256"]) == (
        names.IMAGE_READY,
        False,
        picture["sha256"],
    )
    assert (withdrawn["reason"], withdrawn["field"], withdrawn["retryable"]) == (
        "unknown_picture",
        "picture.sha256",
        False,
    )


async def test_a_re_crop_is_published_and_replayed_like_any_request(site: Site, tmp_path: Path) -> None:
    """`leadart publish` takes its file; a replay finds it the newest of its slot, and every file is reused."""
    file = tmp_path / "crop.json"
    with workers(site, tmp_path):
        async with cms(site) as desk:
            saved = await answer(desk, await desk.ask(request_data("a-1")))
            file.write_text(json.dumps(recrop_of(saved)), encoding="utf-8")
            published = await asyncio.to_thread(site.run, "publish", str(file), "--wait")
            await desk.until(lambda: len(desk.outcomes()) == 2)
            replayed = await asyncio.to_thread(site.run, "replay", "--from", "0", "--execute", "--force")
            await desk.until(lambda: len(desk.outcomes()) == 3)

    assert published.returncode == 0, published.stderr
    assert "\nready, reused: a-1 revision 1" in published.stdout
    assert replayed.returncode == 0, replayed.stderr
    _, cropped, again = desk.outcomes()
    assert cropped["pictures"][0]["focal_point"] == {"x": 0.25, "y": 0.75, "source": "editor"}
    assert again["reused"]
    assert again["ce"]["id"] == cropped["ce"]["id"]
    assert keys(again) == keys(cropped)


async def test_crops_that_do_not_fit_are_answered_with_their_field(site: Site, tmp_path: Path) -> None:
    """Outside the picture, of another ratio, or of a set that the site does not have."""
    boxes = {
        "square": {"x": 32, "y": 0, "width": 48, "height": 48},
        "hero": {"x": 0, "y": 0, "width": 64, "height": 64},
        "panorama": {"x": 0, "y": 0, "width": 64, "height": 16},
    }
    with workers(site, tmp_path):
        async with cms(site) as desk:
            ready = await answer(desk, await desk.ask(request_data("a-1")))
            failed = {name: await recrop(desk, recrop_of(ready, crops={name: box})) for name, box in boxes.items()}

    for name, one in failed.items():
        assert (one["reason"], one["field"]) == ("invalid_field", f"crops.{name}"), one


async def test_a_store_that_fails_between_uploads_announces_only_what_is_there(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path
) -> None:
    """After three files of a set every write is refused for a while: the outcome comes late, and whole."""
    site = Site.fresh(kafka, s3, WORKER__STORE_RETRY_SECONDS="0.1").prepare()
    files, refusals = 0, 12

    async def rule(call: StoreCall, _forward: Forward) -> web.Response | None:
        nonlocal files, refusals
        if call.method != "PUT" or not call.key.startswith("pictures/") or call.key.endswith(".png"):
            return None
        files += 1
        if files <= 3 or not refusals:
            return None
        refusals -= 1
        return refused(503, "SlowDown", "Please reduce your request rate.")

    async with RuledStore(site.settings.storage, rule) as proxy:
        behind = site.changed(
            STORAGE__ENDPOINT_URL=str(proxy.settings.endpoint_url), STORAGE__PUBLIC_BASE_URL=base(site)
        )
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, workers(behind, tmp_path))  # the proxy runs on this loop
            async with cms(site) as desk:
                ready = await answer(desk, await desk.ask(request_data("a-1")))

    assert refusals == 0
    assert len(ready["pictures"][0]["renditions"]) == 7
    assert_fetched(ready["pictures"])


def base(site: Site) -> str:
    """Return the address of the real store's public pictures."""
    storage = site.settings.storage
    return f"{str(storage.endpoint_url).rstrip('/')}/{storage.bucket}"


async def recrop(desk: Cms, data: Mapping[str, Any]) -> dict[str, Any]:
    """Publish a re-crop and wait for its outcome."""
    return await answer(desk, await desk.ask(data, event_type=names.IMAGE_RECROP_REQUESTED))
