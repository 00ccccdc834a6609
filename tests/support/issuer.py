"""An OpenID Connect issuer on a port of its own: discovery, keys, and tokens as a test wants them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

AUDIENCE = "leadart"


@dataclass
class LocalIssuer:
    """The issuer. `down` makes it answer 500; `asked` counts what was fetched."""

    url: str = ""
    down: bool = False
    asked: int = 0
    described: dict[str, Any] = field(default_factory=dict)
    private: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)

    def rotate(self, key_id: str) -> None:
        """Sign with a new key from now on, and publish it alone."""
        self.private = {key_id: rsa.generate_private_key(65_537, 2048)}

    @property
    def public_pem(self) -> bytes:
        """The public key as everybody has it."""
        return (
            next(iter(self.private.values())).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )

    def token(self, changes: Mapping[str, Any] | None = None, **header: Any) -> str:
        """Return a valid token with some claims changed; None takes one out."""
        key_id, key = next(iter(self.private.items()))
        now = datetime.now(UTC)
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "u-1",
            "preferred_username": "Ada",
            "exp": now + timedelta(minutes=5),
            "scope": "openid leadart:read leadart:publish",
            **(changes or {}),
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, key, "RS256", {"kid": key_id, **header})

    async def describe(self, _request: web.Request) -> web.Response:
        """Answer discovery."""
        return self._answer({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.described})

    async def keys(self, _request: web.Request) -> web.Response:
        """Answer with the keys."""
        jwks = []
        for key_id, key in self.private.items():
            jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
            jwks.append({**jwk, "kid": key_id, "alg": "RS256", "use": "sig"})
        return self._answer({"keys": jwks})

    def _answer(self, document: Mapping[str, Any]) -> web.Response:
        self.asked += 1
        return web.json_response(document, status=500 if self.down else 200)


@asynccontextmanager
async def local_issuer() -> AsyncIterator[LocalIssuer]:
    """Serve an issuer."""
    issuer = LocalIssuer()
    issuer.rotate("k1")
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer.describe)
    app.router.add_get("/keys", issuer.keys)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        issuer.url = f"http://{host}:{port}"
        yield issuer
    finally:
        await runner.cleanup()
