"""One stored object in trouble: its request alone pays for it, in the retry lanes; all others are answered."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import web

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from tests.support.harness import Site, cms, request_data, workers
from tests.support.store_rules import Forward, Rule, RuledStore, StoreCall, no_if_match, refused

SETTINGS = {"TOPICS__PARTITIONS": "2", "WORKER__ATTEMPTS": "1", "WORKER__STORE_RETRY_SECONDS": "0.1"}


class FirstManifest:
    """Picks out the calls for the manifest that is asked for first."""

    def __init__(self) -> None:
        self._key = ""

    def is_meant(self, call: StoreCall) -> bool:
        if not self._key and call.key.startswith("manifests/") and call.key.endswith(".json"):
            self._key = call.key
        return bool(self._key) and call.key == self._key  # a call about the bucket has no key


def damaged() -> Rule:
    """Return a rule by which one manifest is damaged, and no `If-Match` ever holds."""
    first = FirstManifest()

    async def rule(call: StoreCall, forward: Forward) -> web.Response | None:
        if first.is_meant(call) and call.method == "PUT":
            await forward(StoreCall("PUT", call.path, call.key, {}, b"{"))
        return await no_if_match(call, forward)

    return rule


def unreadable() -> Rule:
    """Return a rule by which one manifest cannot be read: its disk is lost."""
    first = FirstManifest()

    async def rule(call: StoreCall, _forward: Forward) -> web.Response | None:
        return refused(500, "InternalError", "volume not found") if first.is_meant(call) else None

    return rule


@pytest.mark.parametrize("rule", [damaged, unreadable])
async def test_one_manifest_in_trouble_stops_nobody(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path, rule: Callable[[], Rule]
) -> None:
    """Its request fails after its attempts and can be sent again; all that come after it are answered meanwhile."""
    site = Site.fresh(kafka, s3, **SETTINGS).prepare()
    async with RuledStore(site.settings.storage, rule()) as proxy:
        behind = site.changed(STORAGE__ENDPOINT_URL=str(proxy.settings.endpoint_url))
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, workers(behind, tmp_path))  # the proxy runs on this loop
            async with cms(site) as desk:
                troubled = await desk.ask(request_data("a-0"))
                for number in itertools.count(1):
                    other = await desk.ask(request_data(f"a-{number}"))
                    await desk.until(lambda: bool(desk.outcomes(other)))  # noqa: B023 - awaited here
                    assert desk.outcomes(other)[0]["pictures"]
                    if desk.outcomes(troubled):
                        break

    (failed,) = desk.outcomes(troubled)
    assert (failed["reason"], failed["retryable"]) == ("store_unavailable", True)
