from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumer.gateway.access.grants import Grant
from consumer.gateway.access.key_file import KeyFile
from consumer.gateway.access.principal import Credential, Scope
from tests.support.gateway_server import ServedGateway, request_data


async def _token(served: ServedGateway, key: str, **body: Any) -> str:
    async with served.client(key).post("/v1/tokens", json=body) as answer:
        assert answer.status == 201, await answer.text()
        token: str = (await answer.json())["token"]
        return token


async def _publish(served: ServedGateway, token: str, article: str) -> int:
    async with served.client(token).post("/v1/images", json=request_data(article)) as answer:
        return answer.status


async def test_a_token_is_good_for_what_it_was_asked_for(served: ServedGateway) -> None:
    """It publishes for its article, not for another, and does nothing that it was not asked for."""
    token = await _token(served, served.key(), scopes=["publish"], articles=["news-1"], seconds=60)
    assert await _publish(served, token, "news-1") == 202
    assert await _publish(served, token, "news-2") == 403
    async with served.client(token).get("/v1/articles") as answer:
        assert answer.status == 403


async def test_an_id_with_brackets_is_that_id(served: ServedGateway) -> None:
    """It is no set of characters, as file names have them: a token for `a[1]` does not open `a1`."""
    token = await _token(served, served.key(), scopes=["publish"], articles=["a[1]", "b[*"])
    answers = [await _publish(served, token, article) for article in ("a[1]", "b[2]", "a1", "b2")]
    assert answers == [202, 202, 403, 403]


async def test_a_token_is_never_good_for_more_than_its_key(served: ServedGateway) -> None:
    """Wider patterns do not help, and a scope that the key lacks is refused and named."""
    key = served.key(scopes=[Scope.PUBLISH], articles=("news-?",))
    token = await _token(served, key, scopes=["publish"], articles=["*", "news-*"])
    assert await _publish(served, token, "news-1") == 202
    assert await _publish(served, token, "news-12") == 403
    assert await _publish(served, token, "sport-1") == 403
    async with served.client(key).post("/v1/tokens", json={"scopes": ["read"]}) as refused:
        assert (refused.status, (await refused.json())["field"]) == (403, "scopes")


async def test_a_token_ends_with_its_key(served: ServedGateway) -> None:
    """A revoked key takes its tokens along, and a scope taken from the key is taken from them."""
    token = await _token(served, served.key(), scopes=["publish"])
    (key,) = served.gateway.keys.keys
    served.gateway.keys = KeyFile(keys=(key.model_copy(update={"scopes": frozenset({Scope.READ})}),))
    assert await _publish(served, token, "news-1") == 403
    served.gateway.keys = KeyFile()
    assert await _publish(served, token, "news-1") == 401


async def test_a_token_makes_neither_tokens_nor_sessions(served: ServedGateway) -> None:
    """So it cannot outlive its end."""
    token = await _token(served, served.key(), scopes=["publish"])
    for path, body in (("/v1/tokens", {"scopes": ["publish"]}), ("/v1/session", {"key": token})):
        async with served.client(token).post(path, json=body) as refused:
            assert refused.status == 403


async def test_a_session_gives_tokens(served: ServedGateway) -> None:
    """The desk asks with its cookie; the token names the same key."""
    client = served.client(headers={"origin": served.url})
    await client.post("/v1/session", json={"key": served.key()})
    async with client.post("/v1/tokens", json={"scopes": ["publish"]}) as answer:
        token = (await answer.json())["token"]
    assert await _publish(served, token, "news-1") == 202


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"scopes": ["read"], "seconds": 3601}, "seconds"),
        ({"scopes": ["read"], "seconds": 0}, "seconds"),
        ({"scopes": ["read"], "articles": []}, "articles"),
    ],
)
async def test_what_cannot_be_given_is_named(served: ServedGateway, body: Mapping[str, Any], field: str) -> None:
    """A problem names the field."""
    async with served.client(served.key()).post("/v1/tokens", json=body) as refused:
        assert (refused.status, (await refused.json())["field"]) == (422, field)


async def test_cookies_are_no_tokens_and_ended_ones_are_nothing(served: ServedGateway) -> None:
    """A grant is good only as what it was signed as, and until its end."""
    served.key()
    grant = Grant(key=served.gateway.keys.keys[0].id)
    now = datetime.now(UTC)
    session = served.gateway.signer.sign(grant, Credential.SESSION, now + timedelta(hours=1))
    ended = served.gateway.signer.sign(grant, Credential.TOKEN, now - timedelta(seconds=1))
    for text in (session.text, ended.text, session.text[:-1], ""):
        async with served.client(text or "x").get("/v1/articles") as refused:
            assert refused.status == 401
