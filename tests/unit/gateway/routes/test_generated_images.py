from __future__ import annotations

import pytest

from tests.support.gateway import GatewayBench
from tests.support.samples import ASKED, MASTER, RECIPE

FILE = f"/generated-images/2026-07-01/some-task_0_{MASTER.sha256}.png"


async def test_a_file_is_kept_by_whoever_has_it(bench: GatewayBench) -> None:
    """Its digest is its ETag, and pages of any origin may show it; HEAD says how long it is."""
    await bench.gateway.store.keep(RECIPE, MASTER, ASKED)
    whole = await bench.client.get(FILE)
    again = await bench.client.get(FILE, headers={"if-none-match": whole.headers["etag"]})
    head = await bench.client.head(FILE)

    assert whole.content == MASTER.data
    assert whole.headers["cross-origin-resource-policy"] == "cross-origin"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", f'"{MASTER.sha256}"')
    assert (head.headers["content-length"], head.content) == (str(len(MASTER.data)), b"")


async def test_a_damaged_file_is_not_given_out(bench: GatewayBench) -> None:
    """What is stored has to be what its name says."""
    stored = await bench.gateway.store.keep(RECIPE, MASTER, ASKED)
    bench.s3.objects[stored.key] = b"x" * stored.bytes_
    assert (await bench.client.get(FILE)).status_code == 404


@pytest.mark.parametrize("file", ["x.png", f"t_0_{'a' * 64}.png", f"t_0_{'a' * 64}", f"t_0_{'A' * 64}.png", "..%2Fx"])
async def test_what_is_not_there_is_not_found(bench: GatewayBench, file: str) -> None:
    """A name of another form, and one of no picture."""
    assert (await bench.client.get(f"/generated-images/2026-07-01/{file}")).status_code == 404
