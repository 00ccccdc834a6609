"""An issuer's public keys: found by discovery, kept for a while, fetched anew for a key that is not among them."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import jwt
import structlog

from consumer.gateway.problems import Problem

log = structlog.get_logger(__name__)

DISCOVERY = "/.well-known/openid-configuration"
KEPT_SECONDS = 3600.0
"""How long keys are used: one that the issuer took back is refused after that."""
AGAIN_SECONDS = 10.0
"""How often at most the issuer is asked, whatever key ids tokens make up."""
STALE_SECONDS = 24 * 3600.0
"""How long known keys are used while the issuer is down."""
FETCH_SECONDS = 5.0
MOST_BYTES = 262_144
MOST_KEYS = 50
_SIGNING = frozenset({"RSA", "EC", "OKP"})


class IssuerKeys:
    """Public keys by id. One fetch at a time, however many callers wait; `clock` returns monotonic seconds."""

    def __init__(self, issuer: str, client: aiohttp.ClientSession, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._client = client
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return the key of an id; None if the issuer has none. Raises `Problem` 503 if it was never reached."""
        if self._is_due(key_id):
            async with self._fetching:
                if self._is_due(key_id):
                    await self._refresh()
        if self._fetched_at is None or self._clock() - self._fetched_at > STALE_SECONDS:
            raise Problem(503, "issuer_unavailable", "The OpenID Connect issuer does not answer: try again.")
        return self._keys.get(key_id)

    def _is_due(self, key_id: str) -> bool:
        now = self._clock()
        if self._asked_at is not None and now - self._asked_at < AGAIN_SECONDS:
            return False
        return self._fetched_at is None or key_id not in self._keys or now - self._fetched_at > KEPT_SECONDS

    async def _refresh(self) -> None:
        self._asked_at = self._clock()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = _usable(await self._fetch(await self._keys_url()))
                self._fetched_at = self._clock()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            log.warning("oidc_issuer_unavailable", issuer=self._issuer, error=str(error) or type(error).__name__)

    async def _keys_url(self) -> str:
        """Return where the keys are. Raises `ValueError` if the document is another issuer's."""
        described = await self._fetch(f"{self._issuer.rstrip('/')}{DISCOVERY}")
        if described.get("issuer") != self._issuer:
            raise ValueError(f"its discovery document is of {str(described.get('issuer'))[:200]!a}")
        return str(described.get("jwks_uri"))

    async def _fetch(self, url: str) -> Mapping[str, Any]:
        if self._issuer.startswith("https:") and not url.startswith("https:"):
            raise ValueError(f"{url[:200]!a} is not https")
        async with self._client.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ValueError(f"{url} answers {answer.status}")
            body = await answer.content.read(MOST_BYTES + 1)
            while len(body) <= MOST_BYTES and (more := await answer.content.read(MOST_BYTES)):
                body += more
        if len(body) > MOST_BYTES:
            raise ValueError(f"{url} has more than {MOST_BYTES} bytes")
        document = json.loads(body)
        if not isinstance(document, dict):
            raise ValueError(f"{url} is no JSON object")  # noqa: TRY004 - one kind of error for what came from outside
        return document


def _usable(document: Mapping[str, Any]) -> Mapping[str, jwt.PyJWK]:
    """Return the keys for signatures that have an id; what is not understood is left out."""
    keys: dict[str, jwt.PyJWK] = {}
    listed = document.get("keys")
    for each in listed[:MOST_KEYS] if isinstance(listed, list) else ():
        if not isinstance(each, dict) or each.get("kty") not in _SIGNING or each.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(each)
        except jwt.PyJWTError:
            continue
        if key.key_id:
            keys[key.key_id] = key
    return keys
