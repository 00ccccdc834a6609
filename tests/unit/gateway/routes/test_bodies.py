from __future__ import annotations

import pytest

from tests.support.gateway import SOURCES, GatewayBench
from tests.support.harness import request_data


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'{"a": NaN}', "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (b"a=1", "not_json"),
    ],
)
async def test_what_cannot_be_read_is_a_bad_request(bench: GatewayBench, body: bytes, reason: str) -> None:
    """400 with the reason that the bus has for it."""
    answer = await bench.call("POST", "/v1/images", body)
    assert (answer.status_code, answer.json()["reason"]) == (400, reason)
    assert answer.json()["title"] == {"not_json": "Not JSON", "not_utf8": "Not UTF-8"}[reason]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_a_form_is_told_to_send_json(bench: GatewayBench, kind: str) -> None:
    """415, as curl's `-d` gets it without a content type, says which one to send."""
    answer = await bench.call("POST", "/v1/images", b"{}", content_type=kind)
    assert (answer.status_code, answer.json()["field"]) == (415, "content-type")
    assert "application/json" in answer.json()["detail"]


READ = ["POST /v1/images", "POST /v1/tokens", "PUT /v1/preferences", "POST /v1/session"]


@pytest.mark.parametrize("endpoint", READ)
@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (b"{}", "application/x-www-form-urlencoded", (415, "unsupported_media_type", "content-type")),
        (b"{", "application/json", (400, "not_json", None)),
        (b"", "application/json", (400, "not_json", None)),
        (b"\xff", "application/json", (400, "not_utf8", None)),
    ],
)
async def test_every_body_is_read_by_the_same_rule(
    bench: GatewayBench, endpoint: str, body: bytes, kind: str, told: tuple[int, str, str | None]
) -> None:
    """What curl's `-d` sends without a header is told to be declared, and what is no JSON is said to be none."""
    method, path = endpoint.split()
    headers = {"content-type": kind, **({} if path == "/v1/session" else bench.bearer(SOURCES[0]))}
    answer = await bench.client.request(method, path, content=body, headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem["reason"], problem.get("field")) == told


@pytest.mark.parametrize("path", ["/v1/tokens", "/v1/preferences"])
async def test_a_body_without_a_content_type_is_json(bench: GatewayBench, path: str) -> None:
    """A client that declares nothing is understood, too; a field that is not known is named."""
    method = "POST" if path == "/v1/tokens" else "PUT"
    body = b'{"scopes": ["read"], "values": {}}'
    answer = await bench.client.request(method, path, content=body, headers=bench.bearer(SOURCES[0]))
    other = "values" if path == "/v1/tokens" else "scopes"
    assert (answer.status_code, answer.json()["field"]) == (422, other)
    assert answer.json()["detail"] == f"`{other}` is not known here: leave it out, or correct its name."


async def test_json_by_any_name_is_read(bench: GatewayBench) -> None:
    """With parameters, and as a structured suffix."""
    for number, kind in enumerate(["application/json; charset=utf-8", "Application/JSON", "application/vnd.cms+json"]):
        answer = await bench.call("POST", "/v1/images", request_data(f"a-{number}"), content_type=kind)
        assert answer.status_code == 202, kind


@pytest.mark.parametrize("kilobytes", [65, 300])
async def test_a_body_that_is_too_long_is_refused(bench: GatewayBench, kilobytes: int) -> None:
    """413 above the contract's limit; far above it nothing more is read."""
    answer = await bench.call("POST", "/v1/images", {**request_data("a-1"), "later": "x" * kilobytes * 1024})
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
