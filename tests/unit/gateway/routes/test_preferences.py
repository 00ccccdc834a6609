from __future__ import annotations

import pytest

from tests.support.gateway import SOURCES, GatewayBench


async def test_what_was_remembered_is_given_back(bench: GatewayBench) -> None:
    """By section, and the last of any; another source's key has its own."""
    values = {"style": "ink", "count": 4}
    put = await bench.call("PUT", "/v1/preferences", {"section": "News", "values": values})
    got = await bench.call("GET", "/v1/preferences")
    other = await bench.call("GET", "/v1/preferences", source=SOURCES[1])
    assert (put.status_code, got.status_code) == (200, 200)
    assert put.json() == got.json() == {"sections": {"News": values}, "last": values}
    assert other.json() == {"sections": {}, "last": {}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"section": "News"}, "values"),
        ({"section": "News", "values": []}, "values"),
        ({"section": "x" * 101, "values": {}}, "section"),
        ({"values": {}, "editor": "somebody else"}, "editor"),
        ({"values": {"prompt": "x" * 5_000}}, "values"),
    ],
)
async def test_what_cannot_be_kept_is_refused_by_its_field(bench: GatewayBench, body: object, field: str) -> None:
    """A problem that names the field, and nothing on the topic."""
    answer = await bench.call("PUT", "/v1/preferences", body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert bench.publisher.kept == []


async def test_without_a_broker_nothing_is_remembered(bench: GatewayBench) -> None:
    """The caller is told to try again; what was remembered before is still there."""
    await bench.call("PUT", "/v1/preferences", {"values": {"style": "ink"}})
    bench.publisher.down = True
    answer = await bench.call("PUT", "/v1/preferences", {"values": {"style": "oil"}})
    assert (answer.status_code, answer.json()["reason"]) == (503, "unanswered")
    assert (await bench.call("GET", "/v1/preferences")).json()["last"] == {"style": "ink"}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (b'{"style": "\\ud83d"}', (422, "invalid_field", "values.style")),
        (b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", (400, "not_json", None)),
    ],
)
async def test_what_no_gateway_could_read_again_is_refused(
    bench: GatewayBench, values: bytes, told: tuple[int, str, str | None]
) -> None:
    """Half a character and deep nesting are not accepted and then forgotten."""
    answer = await bench.call("PUT", "/v1/preferences", b'{"values": ' + values + b"}")
    assert (answer.status_code, answer.json()["reason"], answer.json().get("field")) == told
    assert bench.publisher.kept == []
