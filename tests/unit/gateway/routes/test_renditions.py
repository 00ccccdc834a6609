from __future__ import annotations

from consumer.pictures.rendition_file import load_renditions
from tests.support.gateway import GatewayBench


async def test_the_sets_of_a_slot_are_those_that_a_worker_makes(bench: GatewayBench) -> None:
    """In the order of the site's file; a set without a ratio has the picture's own."""
    answer = (await bench.call("GET", "/v1/renditions?slot=hero")).json()
    by_name = {each["name"]: each for each in answer["sets"]}

    assert list(by_name) == [each.name for each in load_renditions().full("hero")]
    assert (by_name["hero"]["ratio"], by_name["hero"]["widths"]) == ([16, 9], [640, 960, 1280, 1920])
    assert by_name["thumb"]["ratio"] is None
    assert answer["thumb"] == "thumb"
    assert (await bench.client.get("/v1/renditions")).status_code == 401
