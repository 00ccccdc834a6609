from __future__ import annotations

import hashlib

from tests.support.gateway import GatewayBench, ready
from tests.support.harness import request_data

DATA = b"\x89PNG and so on"
ONE = hashlib.sha256(DATA).hexdigest()


async def painted(bench: GatewayBench) -> None:
    image = await bench.ask(request_data("a-1"))
    outcome = ready(ONE)
    bench.announce("ready", image, **outcome)
    key = outcome["pictures"][0]["key"]
    await bench.gateway.store._client.put_object(Bucket="leadart", Key=key, Body=DATA, ContentType="image/png")


async def test_a_file_is_saved_under_the_name_that_is_asked_for(bench: GatewayBench) -> None:
    """Its bytes, its size and its type, as an attachment; without a name it keeps the store's."""
    await painted(bench)
    named = await bench.client.get(f"/v1/pictures/{ONE}/original/download", params={"name": "Fähre im Sturm.png"})
    bare = await bench.client.get(f"/v1/pictures/{ONE}/original/download")

    assert (named.status_code, named.content, named.headers["content-type"]) == (200, DATA, "image/png")
    assert named.headers["content-length"] == str(len(DATA))
    assert named.headers["content-disposition"] == "attachment; filename*=UTF-8''F%C3%A4hre%20im%20Sturm.png"
    assert bare.headers["content-disposition"] == f"attachment; filename*=UTF-8''{ONE}.png"


async def test_a_name_leads_out_of_no_folder(bench: GatewayBench) -> None:
    """Separators, control characters and leading dots are taken out of it."""
    await painted(bench)
    answer = await bench.client.get(f"/v1/pictures/{ONE}/original/download", params={"name": "../../a\r\nb:c.png"})

    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''-..-a--b-c.png"


async def test_what_is_gone_is_not_an_empty_file(bench: GatewayBench) -> None:
    """404 for an unknown picture or rendition, 410 for one whose file was deleted."""
    await painted(bench)
    unknown = await bench.client.get(f"/v1/pictures/{'b' * 64}/original/download")
    missing = await bench.client.get(f"/v1/pictures/{ONE}/hero-960.webp/download")
    bench.s3.objects.clear()
    gone = await bench.client.get(f"/v1/pictures/{ONE}/original/download")

    assert (unknown.status_code, missing.status_code, gone.status_code) == (404, 404, 410)
    assert gone.json()["reason"] == "withdrawn"
