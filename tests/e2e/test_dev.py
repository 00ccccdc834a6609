"""`leadart dev`, as a CMS developer uses it."""

from __future__ import annotations

import asyncio
import hashlib
import shlex
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.dev import MARK
from consumer.settings import GatewaySettings, load_settings
from tests.support.commands import Command, leadart
from tests.support.harness import BOUND

# The stack starts its own; asked for here so that a machine without them skips, or fails in CI.
pytestmark = pytest.mark.usefixtures("kafka", "s3")


async def _paste(line: str) -> str:
    """Run a command as printed, and return what it prints."""
    process = await asyncio.create_subprocess_exec(*shlex.split(line), stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()


async def _publish_and_see(dev: Command, publish: str) -> None:
    """Paste the printed command; the outcome is printed, and its pictures are where it says."""
    assert await _paste(publish)
    await dev.until("ready: sample-1")
    urls = [(await dev.until("http")).strip() for _ in range(4)]
    async with aiohttp.ClientSession() as client:
        for url in urls:
            async with client.get(url) as response:
                assert hashlib.sha256(await response.read()).hexdigest() in url


def _key(settings: GatewaySettings) -> str:
    assert settings.key is not None
    return settings.key.get_secret_value()


async def _articles(settings: GatewaySettings) -> list[str]:
    """Return the articles that the gateway shows to the key of the settings file."""
    bearer = {"authorization": f"Bearer {_key(settings)}"}
    address = f"{settings.url}/v1/articles"
    async with aiohttp.ClientSession() as client, client.get(address, headers=bearer) as response:
        assert response.status == 200
        return [article["id"] for article in (await response.json())["articles"]]


async def test_a_panel_of_the_service_before_needs_only_another_address(tmp_path: Path) -> None:
    """Its calls, without a key: generate, the status until completed, the result, and a picture from the address."""
    async with leadart("dev", "--engine", "swatch", "--out", str(tmp_path)) as dev:
        await dev.until("Ctrl-C ends everything")
        base = load_settings(tmp_path / "leadart.env").gateway.url
        async with aiohttp.ClientSession(base) as client, asyncio.timeout(BOUND):
            async with client.post("/api/v1/generate", json={"prompt": "a lighthouse", "num_images": 2}) as answer:
                task = await answer.json()
            status: dict[str, Any] = {}
            while status.get("status") != "completed":
                async with client.get(task["check_status_url"]) as answer:
                    status = await answer.json()
            async with client.get(f"/api/v1/tasks/{task['task_id']}/result") as answer:
                result = await answer.json()
            async with client.get(result["image_urls"][0]) as picture:
                assert (picture.status, picture.content_type) == (200, "image/png")
        assert await dev.end(signal.SIGINT) == 0
    assert result["count"] == 2


async def test_the_edition_can_be_published_at_the_start(tmp_path: Path) -> None:
    """With --edition the desk has the demo's articles to show, each of its saves answered."""
    async with leadart("dev", "--engine", "swatch", "--out", str(tmp_path), "--edition") as dev:
        await dev.until("Ctrl-C ends everything")
        edition = load_edition()
        for _ in edition:
            await dev.until("revision")
        settings = load_settings(tmp_path / "leadart.env")
        assert set(await _articles(settings.gateway)) == {save.key for save in edition}
        assert await dev.end(signal.SIGINT) == 0


async def test_a_cms_developer_has_everything_at_hand(tmp_path: Path) -> None:
    """The settings file comes when all is ready, the printed command works, and Ctrl-C ends everything well."""
    env_file = tmp_path / "leadart.env"
    env_file.write_text(f"{MARK}\nSTALE=1\n")
    options = ("--engine", "swatch", "--out", str(tmp_path), "--env-file", str(env_file))
    async with leadart("dev", *options) as dev:
        await dev.until("store at")
        assert not env_file.exists()
        worker = await dev.until("Worker:")
        publish = (await dev.until("Publish:")).partition(":")[2]
        desk = (await dev.until("Desk:")).split()[1]
        await dev.until("Ctrl-C ends everything")

        settings = load_settings(env_file)
        assert f":{settings.http.port}/readyz" in worker
        async with aiohttp.ClientSession() as client, client.get(worker.split()[1]) as response:
            assert response.status == 200
        await _publish_and_see(dev, publish)
        assert await _articles(settings.gateway) == ["sample-1"]
        assert desk == f"{settings.gateway.url}/desk/#key={_key(settings.gateway)}"

        status = await dev.end(signal.SIGINT)
        left = await dev.left_behind()

    assert status == 0
    assert not left
    assert not env_file.exists()


async def test_the_worker_may_be_ones_own(tmp_path: Path) -> None:
    """With --no-worker there is none until the printed command starts one; its outcomes are printed all the same."""
    async with leadart("dev", "--engine", "swatch", "--no-worker", "--out", str(tmp_path)) as dev:
        worker = (await dev.until("Worker:")).partition(":")[2]
        publish = (await dev.until("Publish:")).partition(":")[2]
        await dev.until("Ctrl-C ends everything")
        assert not any("consumer worker" in line for line in dev.processes())

        own = await asyncio.create_subprocess_exec(*shlex.split(worker), stdout=asyncio.subprocess.DEVNULL)
        try:
            await _publish_and_see(dev, publish)
        finally:
            own.terminate()
            async with asyncio.timeout(30):
                assert await own.wait() == 0
        status = await dev.end(signal.SIGTERM)

    assert status == 0


async def test_data_are_kept_in_a_folder(tmp_path: Path) -> None:
    """With --keep the second start has the first one's addresses, topics and pictures; without, it says they go."""
    options = ("--engine", "swatch", "--out", str(tmp_path / "out"), "--keep", str(tmp_path / "data"))
    async with leadart("dev", *options) as dev:
        assert "10 topics created" in await dev.until("Kafka at")
        publish = (await dev.until("Publish:")).partition(":")[2]
        await dev.until("Ctrl-C ends everything")
        await _publish_and_see(dev, publish)
        urls = [line.strip() for line in dev.lines if line.startswith("  http")]
        settings = load_settings(tmp_path / "out" / "leadart.env")
        await dev.end(signal.SIGINT)
    assert "stay in" in "".join(dev.lines)

    async with leadart("dev", *options) as dev:
        assert "0 topics created" in await dev.until("Kafka at")
        await dev.until("Ctrl-C ends everything")
        assert load_settings(tmp_path / "out" / "leadart.env").storage == settings.storage
        async with aiohttp.ClientSession() as client, client.get(urls[0]) as response:
            assert hashlib.sha256(await response.read()).hexdigest() in urls[0]
        assert await _paste(publish)
        await dev.until("ready, reused: sample-1")
        assert await dev.end(signal.SIGINT) == 0


@pytest.mark.parametrize(("program", "name"), [("kafka.Kafka", "kafka"), ("weed mini", "s3")])
async def test_a_server_that_dies_ends_it_with_what_to_do(tmp_path: Path, program: str, name: str) -> None:
    """Nobody waits for outcomes that cannot come: exit status 1, which server it was, and what to do."""
    async with leadart("dev", "--engine", "swatch", "--out", str(tmp_path)) as dev:
        await dev.until("Ctrl-C ends everything")
        dev.kill_one(program)
        status = await dev.end()
        left = await dev.left_behind()

    said = "".join(dev.lines)
    assert status == 1
    assert f"{name} has ended by itself" in said
    assert "Run `leadart dev` again: data that were not kept with --keep FOLDER are gone" in said
    assert not left
