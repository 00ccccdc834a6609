from __future__ import annotations

from typing import Any

import pytest

from tests.support.gateway import GatewayBench, open_bench, ready
from tests.support.harness import request_data
from tests.support.samples import ASKED, MADE, MASTER, ORDER, RECIPE

ONE, OTHER = "a" * 64, "b" * 64
FORMATS = {"hero-960": "image/avif image/webp image/jpeg", "thumb-320": "image/webp"}


async def painted(bench: GatewayBench, article: str = "a-1", *digests: str, **parts: Any) -> dict[str, Any]:
    image = await bench.ask(request_data(article))
    bench.announce("ready", image, **ready(*(digests or (ONE,)), renditions=FORMATS, **parts))
    return image


async def test_a_picture_has_an_address_that_lasts(bench: GatewayBench) -> None:
    """Without a key, the digest and a rendition's name lead to a fresh address of that very object."""
    await painted(bench)

    original = await bench.client.get(f"/v1/pictures/{ONE}/original")
    hero = await bench.client.get(f"/v1/pictures/{ONE}/hero-960.webp")

    assert original.status_code == hero.status_code == 307
    assert original.headers["location"] == f"http://store.test/leadart/pictures/aa/{ONE}.png?signature"
    assert hero.headers["location"].endswith(f"/pictures/of/{ONE[:8]}-hero-960.webp?signature")
    assert hero.headers["cache-control"] == "private, max-age=300"
    assert "Accept" not in hero.headers.get("vary", "")


async def test_a_page_keeps_its_crop_where_another_story_crops_the_same_picture(bench: GatewayBench) -> None:
    """A name with the beginning of the file's digest is that very file; one without it is the newest of its name."""
    sharp, later = ready(ONE, renditions={"hero-960": "image/webp"}), ready(ONE, renditions={"hero-960": "image/webp"})
    sharp["pictures"][0]["renditions"][0] |= {"sha256": "1" * 64, "key": "pictures/one.webp"}
    later["pictures"][0]["renditions"][0] |= {"sha256": "2" * 64, "key": "pictures/two.webp"}
    for article, outcome in (("a-1", sharp), ("a-2", later)):
        bench.announce("ready", await bench.ask(request_data(article)), **outcome)

    async def location(name: str) -> str:
        answer = await bench.client.get(f"/v1/pictures/{ONE}/{name}")
        return answer.headers["location"].partition("?")[0].rpartition("/")[2]

    assert await location("hero-960.webp") == "two.webp"
    assert await location(f"hero-960-{'1' * 12}.webp") == "one.webp"
    assert await location(f"hero-960-{'2' * 12}.webp") == "two.webp"


async def test_without_a_suffix_the_caller_gets_the_format_that_it_likes_best(bench: GatewayBench) -> None:
    """A cache is told that the answer depends on `Accept`."""
    await painted(bench)

    async def location(accept: str) -> str:
        answer = await bench.client.get(f"/v1/pictures/{ONE}/hero-960", headers={"accept": accept})
        assert "Accept" in answer.headers["vary"]
        return answer.headers["location"].partition("?")[0]

    assert (await location("image/avif,image/webp,*/*")).endswith("hero-960.avif")
    assert (await location("image/webp,*/*")).endswith("hero-960.webp")
    assert (await location("*/*")).endswith("hero-960.jpeg")


async def test_a_head_request_is_redirected_to_where_only_headers_are(bench: GatewayBench) -> None:
    """A presigned address counts for one method: the one for GET would refuse a HEAD."""
    await painted(bench)
    answer = await bench.client.head(f"/v1/pictures/{ONE}/original")
    assert answer.status_code == 307
    assert answer.headers["location"].endswith("signature-of-head_object")
    assert answer.content == b""


async def test_a_redirect_is_not_kept_longer_than_its_address() -> None:
    """Where addresses are short-lived, caches drop the redirect half a minute before."""
    async with open_bench(storage={"presigned_seconds": 60}) as bench:
        await painted(bench)
        answer = await bench.client.get(f"/v1/pictures/{ONE}/original")
    assert answer.headers["cache-control"] in {"private, max-age=29", "private, max-age=30"}


async def test_public_pictures_are_where_the_site_publishes_them() -> None:
    """With a public base address nothing is presigned."""
    async with open_bench(storage={"public_base_url": "https://cdn.test/p"}) as bench:
        await painted(bench)
        answer = await bench.client.get(f"/v1/pictures/{ONE}/original")
    assert answer.headers["location"] == f"https://cdn.test/p/pictures/aa/{ONE}.png"


async def test_a_withdrawn_picture_is_gone(bench: GatewayBench) -> None:
    """410 while the board knows of the withdrawal; restored and painted again it is back."""
    image = await painted(bench)
    bench.announce("withdrawn", image)

    gone = await bench.client.get(f"/v1/pictures/{ONE}/original")
    assert (gone.status_code, gone.json()["reason"]) == (410, "withdrawn")

    await painted(bench)
    assert (await bench.client.get(f"/v1/pictures/{ONE}/original")).status_code == 307


async def test_a_withdrawn_picture_stays_for_who_else_shows_it(bench: GatewayBench) -> None:
    """Another article, or another slot, that announced the same picture keeps it."""
    image = await painted(bench, "a-1", ONE, OTHER)
    await painted(bench, "a-2", ONE)
    bench.announce("withdrawn", image)

    assert (await bench.client.get(f"/v1/pictures/{ONE}/hero-960.webp")).status_code == 307
    assert (await bench.client.get(f"/v1/pictures/{OTHER}/hero-960.webp")).status_code == 410


async def test_of_a_picture_that_is_cropped_anew_the_newest_files_count(bench: GatewayBench) -> None:
    """Under an old name is the newest crop; a name that was not made again keeps its file."""
    image = await painted(bench)
    newest = ready(ONE, renditions={"hero-960": "image/webp"})
    newest["pictures"][0]["renditions"][0]["key"] = "pictures/newest.webp"
    bench.announce("ready", image, **newest)

    hero = await bench.client.get(f"/v1/pictures/{ONE}/hero-960.webp")
    thumb = await bench.client.get(f"/v1/pictures/{ONE}/thumb-320.webp")
    assert "pictures/newest.webp" in hero.headers["location"]
    assert "thumb-320.webp" in thumb.headers["location"]


@pytest.mark.parametrize(
    "path", [f"{OTHER}/original", f"{ONE}/hero-1920", f"{ONE}/origin", "short/original", f"{'A' * 64}/original"]
)
async def test_what_is_not_there_is_not_found(bench: GatewayBench, path: str) -> None:
    """An unknown digest, an unknown rendition and no digest at all look the same."""
    await painted(bench)
    answer = await bench.client.get(f"/v1/pictures/{path}")
    assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")


async def test_a_picture_older_than_the_history_is_looked_up_in_the_store(bench: GatewayBench) -> None:
    """Its original and all renditions that any order made of it are found by the store's index."""
    store = bench.gateway.store
    picture = await store.keep(RECIPE, MASTER, ASKED)
    await store.keep_renditions(picture, ORDER, MADE)

    original = await bench.client.get(f"/v1/pictures/{MASTER.sha256}/original")
    hero = await bench.client.get(f"/v1/pictures/{MASTER.sha256}/hero-320")
    other = await bench.client.get(f"/v1/pictures/{MASTER.sha256}/hero-640")

    assert f"{MASTER.sha256}.png" in original.headers["location"]
    assert MADE.renditions[0].sha256 in hero.headers["location"]
    assert other.status_code == 404


async def test_a_store_that_is_down_says_so(bench: GatewayBench) -> None:
    """Whether an old picture exists is not known then: 503, and try again."""
    bench.s3.fails = lambda _operation, _key: 503
    answer = await bench.client.get(f"/v1/pictures/{OTHER}/original")
    assert (answer.status_code, answer.json()["reason"]) == (503, "store_unavailable")
    assert answer.headers["retry-after"]
