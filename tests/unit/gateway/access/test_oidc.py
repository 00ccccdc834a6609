from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from consumer.gateway.access import issuer_keys
from consumer.gateway.access.oidc import OidcIssuer, claim, open_issuer, scopes_of
from consumer.gateway.access.principal import Credential, Scope
from consumer.gateway.problems import Problem
from consumer.settings import GatewaySettings
from tests.support.gateway_server import request_data, serve_gateway
from tests.support.issuer import AUDIENCE, LocalIssuer, local_issuer


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Verifying:
    """An issuer, and a gateway's view of it at a time that the test sets."""

    issuer: LocalIssuer
    oidc: OidcIssuer
    clock: Clock


def settings_of(issuer: LocalIssuer, **more: Any) -> dict[str, Any]:
    return {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "oidc_source": "/cms/news", **more}


def verifier(issuer: LocalIssuer, client: aiohttp.ClientSession, clock: Clock, **more: Any) -> OidcIssuer:
    made = open_issuer(GatewaySettings.model_validate(settings_of(issuer, **more)), client, clock)
    assert made is not None
    return made


@pytest.fixture
async def verifying() -> AsyncIterator[Verifying]:
    async with local_issuer() as issuer, aiohttp.ClientSession() as client:
        clock = Clock()
        yield Verifying(issuer, verifier(issuer, client, clock), clock)


async def test_a_token_says_who_calls(verifying: Verifying) -> None:
    """Name and scopes are of its claims, the source is the site's; it ends when the token does."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=7)
    principal = await verifying.oidc.principal(verifying.issuer.token({"exp": ends}))
    assert principal is not None
    assert (principal.name, principal.source, principal.until) == ("Ada", "/cms/news", ends)
    assert principal.scopes == {Scope.READ, Scope.PUBLISH}
    assert principal.credential is Credential.OIDC


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "another-service"},
        {"aud": None},
        {"exp": -180},
        {"exp": None},
        {"nbf": 600},
        {"sub": None},
    ],
    ids=str,
)
async def test_a_token_for_others_or_another_time_is_refused(verifying: Verifying, changes: Mapping[str, Any]) -> None:
    """Issuer, audience, subject and an end within the skew are required, each; times are seconds from now."""
    assert await verifying.oidc.principal(verifying.issuer.token(_from_now(changes))) is None


def _from_now(changes: Mapping[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {name: now + timedelta(seconds=of) if isinstance(of, int) else of for name, of in changes.items()}


async def test_clocks_may_differ_by_a_minute(verifying: Verifying) -> None:
    """A token that ended a moment ago, or begins in half a minute, is taken."""
    for changes in ({"exp": -20}, {"nbf": 30}):
        assert await verifying.oidc.principal(verifying.issuer.token(_from_now(changes))) is not None


@pytest.mark.parametrize("ends", [99_999_999_999_999, "99999999999", 4_102_444_800.5])
async def test_an_end_may_be_as_far_as_an_issuer_writes_it(verifying: Verifying, ends: object) -> None:
    """Beyond the year 9999, as text, with a fraction: the token is taken."""
    principal = await verifying.oidc.principal(verifying.issuer.token({"exp": ends}))
    assert principal is not None
    assert principal.until is not None
    assert principal.until.year >= 2100


def _part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_forged_tokens_are_refused(verifying: Verifying) -> None:
    """Unsigned, signed with the public key as a shared secret, by another key, changed, or too long: none gets in."""
    issuer = verifying.issuer
    good = issuer.token()
    header, claims, signature = good.split(".")
    facts = jwt.decode(good, options={"verify_signature": False})
    other = rsa.generate_private_key(65_537, 2048)
    raised = {**facts, "scope": "leadart:admin"}
    forged = {
        "none": f"{_part({'alg': 'none', 'kid': 'k1'})}.{claims}.",
        "none, in capitals": f"{_part({'alg': 'NONE', 'kid': 'k1'})}.{claims}.{signature}",
        "HS256 by the public key": _hs256(facts, issuer.public_pem),
        "another key": jwt.encode(facts, other, "RS256", {"kid": "k1"}),
        "its own key": jwt.encode(facts, other, "RS256", {"kid": "k1", "jwk": {"kty": "RSA"}, "jku": "http://x"}),
        "more rights": f"{header}.{_part(raised)}.{signature}",
        "no key id": jwt.encode(facts, other, "RS256"),
        "long": good + "x" * 9000,
        "no token": "a.b.c",
    }
    assert await verifying.oidc.principal(good) is not None
    for how, token in forged.items():
        assert await verifying.oidc.principal(token) is None, how


def _hs256(facts: Mapping[str, Any], secret: bytes) -> str:
    """Sign as an attacker does; PyJWT refuses to take a public key for a secret."""
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    text = f"{_part({'alg': 'HS256', 'kid': 'k1', 'typ': 'JWT'})}.{_part(facts)}"
    signature = base64.urlsafe_b64encode(algorithm.sign(text.encode(), secret)).rstrip(b"=").decode()
    return f"{text}.{signature}"


async def test_a_new_key_of_the_issuer_is_found(verifying: Verifying) -> None:
    """After a rotation tokens of the new key are taken, and those of the old one no longer once it is unpublished."""
    old = verifying.issuer.token()
    assert await verifying.oidc.principal(old) is not None
    verifying.issuer.rotate("k2")
    verifying.clock.now += issuer_keys.AGAIN_SECONDS
    assert await verifying.oidc.principal(verifying.issuer.token()) is not None
    assert await verifying.oidc.principal(old) is None


async def test_made_up_key_ids_do_not_ask_the_issuer_each_time(verifying: Verifying) -> None:
    """However many tokens name unknown keys, it is asked once in ten seconds."""
    await verifying.oidc.principal(verifying.issuer.token())
    asked = verifying.issuer.asked
    for number in range(50):
        verifying.clock.now += 0.1
        assert await verifying.oidc.principal(verifying.issuer.token(kid=f"made-up-{number}")) is None
    assert verifying.issuer.asked == asked
    verifying.clock.now += issuer_keys.AGAIN_SECONDS
    await verifying.oidc.principal(verifying.issuer.token(kid="made-up"))
    assert verifying.issuer.asked == asked + 2


async def test_known_keys_outlast_an_outage_of_the_issuer(verifying: Verifying) -> None:
    """Who was verified before is verified for a day; where nothing is known the answer is 503."""
    token = verifying.issuer.token()
    verifying.issuer.down = True
    with pytest.raises(Problem) as unknown:
        await verifying.oidc.principal(token)
    assert unknown.value.status == 503
    verifying.issuer.down = False
    verifying.clock.now += issuer_keys.AGAIN_SECONDS
    assert await verifying.oidc.principal(token) is not None
    verifying.issuer.down = True
    verifying.clock.now += issuer_keys.STALE_SECONDS - 1
    assert await verifying.oidc.principal(token) is not None
    verifying.clock.now += 2
    with pytest.raises(Problem):
        await verifying.oidc.principal(token)


async def test_a_discovery_document_of_another_issuer_is_not_believed(verifying: Verifying) -> None:
    """Its keys are not used."""
    verifying.issuer.described = {"issuer": "https://elsewhere.example"}
    with pytest.raises(Problem):
        await verifying.oidc.principal(verifying.issuer.token())


async def test_the_source_may_be_a_claim() -> None:
    """Then a token without it, or with anything but a text there, opens nothing."""
    async with local_issuer() as issuer, aiohttp.ClientSession() as client:
        oidc = verifier(issuer, client, Clock(), oidc_source=None, oidc_source_claim="desk.source")
        principal = await oidc.principal(issuer.token({"desk": {"source": "/cms/sport"}}))
        assert principal is not None
        assert principal.source == "/cms/sport"
        for wrong in ({}, {"desk": "x"}, {"desk": {"source": ["/cms/a"]}}, {"desk": {"source": ""}}):
            assert await oidc.principal(issuer.token(wrong)) is None


def test_scopes_come_as_words_or_lists() -> None:
    """Only whole names after the prefix count, and only scopes that there are."""
    assert scopes_of("leadart:read leadart:choose-not xleadart:publish", "leadart:") == {Scope.READ}
    assert scopes_of(["withdraw", "admin", 7], "") == {Scope.WITHDRAW, Scope.ADMIN}
    assert scopes_of({"read": True}, "") == scopes_of(None, "") == frozenset()
    assert claim({"realm_access": {"roles": ["read"]}}, "realm_access.roles") == ["read"]
    assert claim({"https://leadart.org/roles": ["read"]}, "https://leadart.org/roles") == ["read"]


async def test_the_gateway_takes_tokens_of_its_issuer() -> None:
    """Such a token publishes and opens a session; without the scope it does not, and keys go on working."""
    async with (
        local_issuer() as issuer,
        aiohttp.ClientSession() as client,
        serve_gateway(**settings_of(issuer)) as served,
    ):
        served.gateway.issuer = open_issuer(served.gateway.settings.gateway, client)
        bearer = served.client(issuer.token())
        async with bearer.post("/v1/images", json=request_data()) as accepted:
            assert accepted.status == 202
        async with bearer.post("/v1/tokens", json={"scopes": ["read"], "articles": ["news-*"]}) as made:
            assert made.status == 201
            narrow = (await made.json())["token"]
        async with served.client(narrow).get("/v1/session") as facts:
            assert (await facts.json())["scopes"] == ["read"]
        desk = served.client()
        async with desk.post("/v1/session", headers={"authorization": f"Bearer {issuer.token()}"}) as signed_in:
            assert signed_in.status == 200
        async with desk.get("/v1/session") as facts:
            assert {**(await facts.json()), "expires_at": None} == {
                "name": "Ada",
                "source": "/cms/news",
                "scopes": ["publish", "read"],
                "articles": ["*"],
                "expires_at": None,
            }
        async with served.client(issuer.token({"scope": "openid"})).get("/v1/articles") as refused:
            assert refused.status == 403
        async with served.client(served.key()).get("/v1/articles") as by_key:
            assert by_key.status == 200
