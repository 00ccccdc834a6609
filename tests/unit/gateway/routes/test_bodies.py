from __future__ import annotations

import pytest

from tests.support.gateway import GatewayBench
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


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_a_form_is_told_to_send_json(bench: GatewayBench, kind: str) -> None:
    """415, as curl's `-d` gets it without a content type, says which one to send."""
    answer = await bench.call("POST", "/v1/images", b"{}", content_type=kind)
    assert (answer.status_code, answer.json()["field"]) == (415, "content-type")
    assert "application/json" in answer.json()["detail"]


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
