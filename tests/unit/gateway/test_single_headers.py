"""`consumer.gateway.single_headers`: requests that say two things in one header."""

from __future__ import annotations

import pytest

from tests.support.gateway_server import ServedGateway, request_data, serve_gateway


@pytest.mark.parametrize("name", ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"])
async def test_two_values_of_one_header_are_refused(name: str) -> None:
    """400 that names the header, and nothing is published: who is on the way may have gone by the other one."""
    async with serve_gateway() as served:
        answer = await asked(served, [(name, "a"), (name, "b")])
        assert answer == (400, "duplicate_header", name.lower())
        assert served.published == []


async def test_the_same_value_twice_is_one() -> None:
    """Nothing is ambiguous about it, nor about two values of a header that may have several."""
    async with serve_gateway() as served:
        headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "a"), ("Accept", "text/html"), ("Accept", "*/*")]
        assert (await asked(served, headers))[0] == 202


async def asked(served: ServedGateway, headers: list[tuple[str, str]]) -> tuple[int, str | None, str | None]:
    own = {} if headers[0][0] == "Authorization" else {"authorization": f"Bearer {served.key()}"}
    async with served.client().post("/v1/images", json=request_data(), headers=[*own.items(), *headers]) as answer:
        body = await answer.json()
        return answer.status, body.get("reason"), body.get("field")
