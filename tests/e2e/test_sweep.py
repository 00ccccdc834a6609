"""`leadart store sweep` beside a running worker: what an editor chose stays, and what was deleted can be had again."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from schemas.cloudevents import Event, write
from tests.support.harness import Cms, Site, answer, cms, request_data, workers


async def _crop(desk: Cms, sha256: str, revision: int, slot: str) -> dict[str, Any]:
    data = {"article": {"id": "a-1", "revision": revision}, "slot": slot, "picture": {"sha256": sha256}}
    event = Event(
        id=uuid.uuid4().hex,
        source="/cms/test",
        type=names.IMAGE_RECROP_REQUESTED,
        data={**data, "focal_point": {"x": 0.3, "y": 0.4}},
    )
    headers, value = write(event)
    await desk.publish(b"a-1", value, headers)
    return await answer(desk, event.id)


def _sweep(site: Site, *arguments: str) -> str:
    done = site.run("store", "sweep", "--unchosen", "--older-than", "0s", "--grace", "0s", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_variants_that_nobody_chose_go_and_the_chosen_one_stays(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path
) -> None:
    """Of three variants one is cropped; the others are deleted, unknown from then on, and painted again alike."""
    site = Site.fresh(kafka, s3).prepare()
    variants = {"variants": 3, "width": 64, "height": 64}
    with workers(site, tmp_path):
        async with cms(site) as desk:
            offered = await answer(desk, await desk.ask(request_data("a-1", output=variants)))
            gone, chosen, _ = [picture["sha256"] for picture in offered["pictures"]]
            await _crop(desk, chosen, 2, offered["slot"])

            assert "would delete 2 of 3 pictures" in _sweep(site)
            assert "deleted 2 of 3 pictures" in _sweep(site, "--apply")

            unknown = await _crop(desk, gone, 3, offered["slot"])
            still = await _crop(desk, chosen, 4, offered["slot"])
            again = await answer(desk, await desk.ask(request_data("a-1", revision=5, output=variants)))

    assert unknown["reason"] == "unknown_picture"
    assert still["ce"]["type"] == names.IMAGE_READY
    assert not again["reused"]
    assert [picture["sha256"] for picture in again["pictures"]] == [
        picture["sha256"] for picture in offered["pictures"]
    ]
