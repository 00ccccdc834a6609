"""From finished pictures to the data of a ready outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from consumer.errors import Overloaded
from consumer.processing.announcing import Announcer
from consumer.settings import DisclosureSettings
from schemas import ReadyPicture, ReadyRendition, Reason
from tests.support.pipeline import SETS, job, open_bench

EXPIRES = datetime(2031, 5, 17, tzinfo=UTC)


@pytest.mark.parametrize(("preset", "photorealistic"), [("photorealistic", True), ("illustration", False)])
async def test_the_disclosure_is_the_styles_and_the_sites(preset: str, *, photorealistic: bool) -> None:
    """A newsroom has rules for what may be taken for a photograph; the credit line is the site's."""
    async with open_bench() as bench:
        bench.pipeline._announcer._disclosure = DisclosureSettings(credit_line="Illustration: AI, Example Press")
        disclosure = (await bench.produce(job(style={"preset": preset}))).disclosure

    assert disclosure is not None
    assert disclosure.model_dump() == {
        "ai_generated": True,
        "photorealistic": photorealistic,
        "credit_line": "Illustration: AI, Example Press",
        "marks": ("iptc_digital_source_type", "iptc_ai_system", "tc260_aigc"),
    }


async def test_rounded_weights_are_told() -> None:
    """A subscriber sees that the pictures are not those of the whole weights."""
    async with open_bench() as bench:
        bench.engine.identity = replace(bench.engine.identity, quantization="fp8")
        ready = await bench.produce(job())

    assert ready.model.quantization == "fp8"


async def test_every_file_has_an_address_of_its_own() -> None:
    """Master and renditions alike, each with the time when its address expires."""
    async with open_bench(sets=SETS) as bench:

        async def presigned(file: Any) -> tuple[str, datetime]:
            return f"https://store.invalid/{file.key}?signed", EXPIRES

        bench.store.url = presigned  # type: ignore[method-assign, assignment]
        (picture,) = (await bench.produce(job())).pictures

    files: list[ReadyPicture | ReadyRendition] = [picture, *picture.renditions]
    assert len({file.url for file in files}) == 5
    assert all(file.url == f"https://store.invalid/{file.key}?signed" for file in files)
    assert {file.url_expires for file in files} == {EXPIRES}


async def test_addresses_wait_for_a_store_that_is_down() -> None:
    """One that fails between two addresses costs waiting, not the finished job."""
    async with open_bench(sets=SETS) as bench:
        url, calls = bench.store.url, 0

        async def reluctant(file: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls in {2, 3}:
                raise Overloaded(Reason.STORE_UNAVAILABLE, "down")
            return await url(file)

        bench.store.url = reluctant  # type: ignore[method-assign, assignment]
        (picture,) = (await bench.produce(job())).pictures

    assert isinstance(bench.pipeline._announcer, Announcer)
    assert (calls, len(picture.renditions)) == (7, 4)
