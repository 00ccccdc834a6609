from __future__ import annotations

from pathlib import Path

from tests.support.gateway import SOURCES, GatewayBench, open_bench, ready
from tests.support.harness import request_data

ONE, OTHER = "a" * 64, "b" * 64


async def test_the_site_s_styles_are_listed_with_titles(bench: GatewayBench) -> None:
    """In the order of the site's file, the default one first, with its titles by language."""
    styles = (await bench.call("GET", "/v1/styles")).json()["styles"]
    assert [style["name"] for style in styles][:2] == ["default", "photorealistic"]
    assert styles[0]["titles"]["zh"] == "\u914d\u56fe"
    assert (styles[0]["width"], styles[0]["photorealistic"]) == (512, False)


async def test_a_style_s_sample_is_the_caller_s_newest_picture_in_it(bench: GatewayBench) -> None:
    """A withdrawn picture is none, nor is another source's; a style that nothing was painted in has none."""

    async def samples(source: str = SOURCES[0]) -> dict[str, str | None]:
        styles = (await bench.call("GET", "/v1/styles", source=source)).json()["styles"]
        return {style["name"]: style["sample"] for style in styles}

    first = await bench.ask(request_data("a-1"))
    bench.announce("ready", first, **ready(ONE, renditions={"thumb-320": "image/webp"}))
    assert await samples() == dict.fromkeys(await samples()) | {"default": f"/v1/pictures/{ONE}/thumb-320.webp"}
    assert set((await samples(SOURCES[1])).values()) == {None}

    second = await bench.ask(request_data("a-2"))
    bench.announce("ready", second, **ready(OTHER))
    assert (await samples())["default"] == f"/v1/pictures/{OTHER}/original"
    bench.announce("withdrawn", second, message=None)
    assert (await samples())["default"] != f"/v1/pictures/{OTHER}/original"


async def test_the_site_s_own_sample_comes_first(tmp_path: Path) -> None:
    """A file named as the preset, which needs no key; other names are not found, whatever lies there."""
    (tmp_path / "anime.webp").write_bytes(b"RIFF")
    (tmp_path / "secret.webp").write_bytes(b"RIFF")
    async with open_bench(gateway={"style_samples": tmp_path}) as bench:
        styles = (await bench.call("GET", "/v1/styles")).json()["styles"]
        sample = await bench.client.get("/v1/styles/anime/sample")
        head = await bench.client.head("/v1/styles/anime/sample")
        others = [await bench.client.get(f"/v1/styles/{name}/sample") for name in ("secret", "default", "..%2Fsecret")]

    assert {style["name"]: style["sample"] for style in styles}["anime"] == "/v1/styles/anime/sample"
    assert (sample.content, sample.headers["content-type"]) == (b"RIFF", "image/webp")
    assert (head.status_code, head.headers["content-length"]) == (200, "4")
    assert [each.status_code for each in others] == [404, 404, 404]


async def test_without_a_folder_there_is_no_sample_of_the_site(bench: GatewayBench) -> None:
    """The address is not found then."""
    assert (await bench.client.get("/v1/styles/default/sample")).status_code == 404
