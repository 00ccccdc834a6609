from __future__ import annotations

from tests.support.gateway import GatewayBench


async def test_the_site_s_styles_are_listed_with_titles(bench: GatewayBench) -> None:
    """In the order of the site's file, the default one first, with its titles by language."""
    styles = (await bench.call("GET", "/v1/styles")).json()["styles"]
    assert [style["name"] for style in styles][:2] == ["default", "photorealistic"]
    assert styles[0]["titles"]["zh"] == "\u914d\u56fe"
    assert (styles[0]["width"], styles[0]["photorealistic"]) == (512, False)
