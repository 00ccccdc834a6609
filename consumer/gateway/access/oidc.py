"""Bearer tokens of the site's OpenID Connect issuer: verified by its published keys, mapped to sources and scopes."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
import jwt
import structlog

from consumer.gateway.access.issuer_keys import IssuerKeys
from consumer.gateway.access.principal import Credential, Principal, Scope
from consumer.settings import GatewaySettings

log = structlog.get_logger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signed with a private key that only the issuer has: no shared secrets (HS*), nothing unsigned."""
SKEW_SECONDS = 60.0
MOST_CHARACTERS = 8_192


class OidcIssuer:
    """Tells who a token's bearer is. Every token must name this issuer and this audience, and expire."""

    def __init__(self, settings: GatewaySettings, keys: IssuerKeys) -> None:
        self._settings = settings
        self._keys = keys

    async def principal(self, token: str) -> Principal | None:
        """Return who the bearer is; None if the token is not valid. Raises `Problem` 503 if the issuer is down."""
        if len(token) > MOST_CHARACTERS:
            return None
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            return None
        key_id = header.get("kid")
        if header.get("alg") not in ALGORITHMS or not isinstance(key_id, str):
            return None
        key = await self._keys.find(key_id)
        return None if key is None else self._verified(token, key)

    def _verified(self, token: str, key: jwt.PyJWK) -> Principal | None:
        try:
            claims = jwt.decode(
                token,
                key,
                [key.algorithm_name],
                audience=self._settings.oidc_audience,
                issuer=self._settings.oidc_issuer,
                leeway=SKEW_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            log.info("oidc_token_refused", error=str(error))
            return None
        return self._principal(claims)

    def _principal(self, claims: Mapping[str, Any]) -> Principal | None:
        source = self._settings.oidc_source
        if self._settings.oidc_source_claim:
            claimed = claim(claims, self._settings.oidc_source_claim)
            source = claimed if isinstance(claimed, str) and 0 < len(claimed) <= 200 else None
        if source is None:
            return None
        name = claim(claims, self._settings.oidc_name_claim)
        return Principal(
            name=name[:200] if isinstance(name, str) and name else str(claims["sub"])[:200],
            source=source,
            scopes=scopes_of(claim(claims, self._settings.oidc_scope_claim), self._settings.oidc_scope_prefix),
            credential=Credential.OIDC,
            until=_moment(claims["exp"]),
        )


def _moment(seconds: Any) -> datetime:
    """Return a verified token's end; issuers write one that never comes with any number of digits, or as text."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def claim(claims: Mapping[str, Any], path: str) -> object:
    """Return a claim by its name, or by a path such as `realm_access.roles`; None if it is not there."""
    if path in claims:
        return claims[path]
    found: object = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def scopes_of(value: object, prefix: str) -> frozenset[Scope]:
    """Return the scopes that a claim names, each after the prefix: a list, or words in a text."""
    words: Sequence[object] = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
    return frozenset(scope for scope in Scope if f"{prefix}{scope}" in words)


def open_issuer(
    settings: GatewaySettings, client: aiohttp.ClientSession, clock: Callable[[], float] = time.monotonic
) -> OidcIssuer | None:
    """Return the site's issuer; None if it has none."""
    if settings.oidc_issuer is None:
        return None
    return OidcIssuer(settings, IssuerKeys(settings.oidc_issuer, client, clock))
