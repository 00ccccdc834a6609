from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from multidict import CIMultiDictProxy

from consumer.gateway.access.key_file import KeyFile
from consumer.gateway.access.principal import Scope
from tests.support.gateway_server import SECRET, ServedGateway, request_data, serve_gateway

OTHER = "https://elsewhere.example"


def _cookie(headers: CIMultiDictProxy[str]) -> str:
    (cookie,) = headers.getall("set-cookie")
    return cookie


async def test_a_key_opens_a_session_of_twelve_hours(served: ServedGateway) -> None:
    """The cookie, without any key beside it, tells who is signed in and what they may do."""
    client = served.client()
    token = served.key("/cms/news", [Scope.READ, Scope.CHOOSE], note="Ada", articles=("news-*",))
    async with client.post("/v1/session", json={"key": token}) as signed_in:
        facts = await signed_in.json()
        assert signed_in.status == 200
    async with client.get("/v1/session") as now:
        assert await now.json() == facts
    assert {**facts, "expires_at": None} == {
        "name": "Ada",
        "source": "/cms/news",
        "scopes": ["read", "choose"],
        "articles": ["news-*"],
        "expires_at": None,
    }
    left = datetime.fromisoformat(facts["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)


async def test_the_cookie_is_kept_from_scripts_and_other_sites(served: ServedGateway) -> None:
    """It is HttpOnly, SameSite=Strict and for all paths, and does not contain the key."""
    token = served.key()
    async with served.client(token).post("/v1/session") as signed_in:
        cookie = _cookie(signed_in.headers)
    parts = {part.strip().lower() for part in cookie.split(";")}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert "secure" not in parts
    assert token.rsplit("_", 1)[1] not in cookie


async def test_behind_tls_the_cookie_is_secure() -> None:
    """A public address with https gives it Secure and the prefix that binds it to this host."""
    async with (
        serve_gateway(url="https://desk.example") as served,
        served.client(served.key()).post("/v1/session") as signed_in,
    ):
        cookie = _cookie(signed_in.headers)
    assert cookie.startswith("__Host-leadart=")
    assert "secure" in {part.strip().lower() for part in cookie.split(";")}


async def test_revoking_the_key_ends_its_sessions(served: ServedGateway) -> None:
    """The very next request by the cookie is refused."""
    client = served.client()
    await client.post("/v1/session", json={"key": served.key()})
    served.gateway.keys = KeyFile()
    async with client.get("/v1/session") as now:
        assert now.status == 401


async def test_a_session_lasts_no_longer_than_its_key(served: ServedGateway) -> None:
    """It says the key's end, and an expired key ends it."""
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    client = served.client()
    async with client.post("/v1/session", json={"key": served.key(expires=soon)}) as signed_in:
        assert datetime.fromisoformat((await signed_in.json())["expires_at"]) == soon
    (key,) = served.gateway.keys.keys
    served.gateway.keys = KeyFile(keys=(key.model_copy(update={"expires": datetime.now(UTC)}),))
    async with client.get("/v1/session") as now:
        assert now.status == 401


async def test_signing_out_drops_the_cookie(served: ServedGateway) -> None:
    """Afterwards the browser sends none."""
    client = served.client()
    await client.post("/v1/session", json={"key": served.key()})
    async with client.delete("/v1/session") as signed_out:
        assert signed_out.status == 204
    async with client.get("/v1/session") as now:
        assert now.status == 401


@pytest.mark.parametrize("body", [{"key": "leadart_00000000_wrong"}, {"key": "x"}, {"key": ""}])
async def test_no_session_without_a_valid_key(served: ServedGateway, body: dict[str, str]) -> None:
    """It is refused, and sets no cookie."""
    served.key()
    async with served.client().post("/v1/session", json=body) as refused:
        assert refused.status == 401
        assert "set-cookie" not in refused.headers


async def test_a_missing_key_is_named(served: ServedGateway) -> None:
    """A body without a key is a problem with that field."""
    async with served.client().post("/v1/session", json={}) as refused:
        assert (refused.status, (await refused.json())["field"]) == (422, "key")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": OTHER}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "x-requested-with": "x"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
        ({"x-requested-with": "desk"}, 202),
        ({"sec-fetch-site": "same-origin"}, 202),
        ({"origin": "{own}"}, 202),
    ],
)
async def test_changes_by_cookie_come_from_our_own_pages(
    served: ServedGateway, headers: dict[str, str], status: int
) -> None:
    """Another origin's page changes nothing, whatever the browser sends along; ours do."""
    client = served.client()
    await client.post("/v1/session", json={"key": served.key()})
    sent = {name: value.format(own=served.url) for name, value in headers.items()}
    async with client.post("/v1/images", json=request_data(), headers=sent) as answer:
        assert answer.status == status, await answer.text()
    assert len(served.published) == (status == 202)


async def test_the_public_address_is_an_own_origin() -> None:
    """Behind a proxy that changes the host, browsers send the public origin."""
    async with serve_gateway(url="http://desk.example") as served:
        client = served.client(headers={"origin": "http://desk.example"})
        await client.post("/v1/session", json={"key": served.key()})
        async with client.post("/v1/images", json=request_data()) as answer:
            assert answer.status == 202


async def test_no_other_page_signs_anyone_in(served: ServedGateway) -> None:
    """A foreign form cannot sign an editor in as somebody else, nor out."""
    body = {"json": {"key": served.key()}, "headers": {"origin": OTHER}}
    async with served.client().post("/v1/session", **body) as refused:  # type: ignore[arg-type]
        assert refused.status == 403
    async with served.client().delete("/v1/session", headers={"origin": OTHER}) as refused:
        assert refused.status == 403


async def test_a_bad_bearer_is_not_mended_by_a_cookie(served: ServedGateway) -> None:
    """Whoever sends a key means that key."""
    client = served.client()
    await client.post("/v1/session", json={"key": served.key()})
    async with client.get("/v1/session", headers={"authorization": "Bearer leadart_0_0"}) as refused:
        assert refused.status == 401


async def test_sessions_outlive_the_process_if_the_secret_is_set(served: ServedGateway) -> None:
    """Another gateway with the same secret and keys takes the cookie; one with another secret does not."""
    token = served.key()
    async with served.client(token).post("/v1/session") as signed_in:
        cookie = _cookie(signed_in.headers).split(";")[0]
    for secret, status in ((SECRET, 200), ("x" * 32, 401)):
        async with serve_gateway(secret=secret) as other:
            other.gateway.keys = served.gateway.keys
            async with other.client(headers={"cookie": cookie}).get("/v1/session") as answer:
                assert answer.status == status
