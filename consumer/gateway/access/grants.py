"""Signed grants: what a session's cookie and a short-lived token carry, so that no gateway has to remember them."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import jwt
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from consumer.gateway.access.key_file import KeyFile
from consumer.gateway.access.principal import Credential, Principal, Scope

_ALGORITHM = "HS256"
_ISSUER = "leadart"


class Grant(BaseModel):
    """Who it is for: a key by its id, which is looked up at each use, or else a caller whom an issuer vouched for.

    `scopes` and `articles` narrow the key's rights; None leaves them as they are. `within`: the patterns of an issuer's
    caller, which bind their tokens too.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str | None = None
    name: str = ""
    source: str = ""
    scopes: frozenset[Scope] | None = None
    articles: tuple[str, ...] | None = None
    within: tuple[str, ...] = ("*",)

    def narrowed(self, scopes: frozenset[Scope], articles: tuple[str, ...]) -> Self:
        """Return a grant of less, or of no more."""
        return self.model_copy(update={"scopes": scopes, "articles": articles, "within": self.articles or self.within})

    def principal(self, keys: KeyFile, now: datetime) -> Principal | None:
        """Return who calls with it; None if its key was revoked or has expired."""
        if self.key is None:
            own = (self.scopes or frozenset(), self.articles or ())
            return Principal(self.name, self.source, *own, within=self.within)
        key = keys.valid(self.key, now)
        if key is None:
            return None
        whole = key.principal()
        if self.scopes is None or self.articles is None:
            return whole
        return whole.narrowed(self.scopes, self.articles)


def grant_of(principal: Principal) -> Grant:
    """Return a grant of all that a caller may do, by a key or by an issuer's token."""
    if principal.key_id:
        return Grant(key=principal.key_id)
    return Grant(name=principal.name, source=principal.source, scopes=principal.scopes, articles=principal.articles)


@dataclass(frozen=True, slots=True)
class SignedGrant:
    """A grant as it is handed out, and when it ends."""

    text: str
    until: datetime


class GrantSigner:
    """Signs grants and reads them. Without a secret it makes one up: its grants end with the process."""

    def __init__(self, secret: SecretStr | None) -> None:
        self._secret = secret.get_secret_value() if secret else secrets.token_urlsafe(32)

    def sign(self, grant: Grant, credential: Credential, until: datetime) -> SignedGrant:
        """Return the grant as text that is good until then, to the second, as that credential and as no other."""
        until = until.replace(microsecond=0)
        facts = {"iss": _ISSUER, "aud": credential.value, "exp": until}
        text = jwt.encode({**grant.model_dump(mode="json", exclude_defaults=True), **facts}, self._secret, _ALGORITHM)
        return SignedGrant(text, until)

    def read(self, text: str, credential: Credential) -> tuple[Grant, datetime] | None:
        """Return a grant and when it ends; None if it was not signed here as that credential, or has ended."""
        try:
            facts = jwt.decode(
                text,
                self._secret,
                [_ALGORITHM],
                audience=credential.value,
                issuer=_ISSUER,
                options={"require": ["exp", "aud", "iss"]},
            )
            return Grant.model_validate(facts), datetime.fromtimestamp(facts["exp"], UTC)
        except (jwt.InvalidTokenError, ValidationError):
            return None
