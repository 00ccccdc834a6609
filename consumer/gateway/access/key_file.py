"""API keys at rest: a file with their hashes, who they belong to and what they may do."""

import hashlib
import hmac
import json
import secrets
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consumer.errors import Fatal
from consumer.gateway.access.principal import CallerLimits, Principal, Scope
from schemas import Reason

PREFIX = "leadart"


class ApiKey(BaseModel):
    """One key; `sha256` is the hash of its secret, which has 256 random bits: nothing slower is needed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern="^[a-z0-9]{8}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    source: str = Field(min_length=1, max_length=200)
    scopes: frozenset[Scope]
    articles: tuple[str, ...] = ("*",)
    note: str = ""
    created: datetime
    expires: datetime | None = None
    requests_per_second: float | None = Field(None, gt=0)
    pictures_per_day: int | None = Field(None, ge=0)

    def principal(self) -> Principal:
        """Return who calls with it."""
        limits = CallerLimits(self.requests_per_second, self.pictures_per_day)
        name = self.note or self.id
        return Principal(name, self.source, self.scopes, self.articles, self.id, until=self.expires, limits=limits)

    def is_valid(self, now: datetime) -> bool:
        """Return whether it may be used."""
        return self.expires is None or now < self.expires


class KeyFile(BaseModel):
    """All keys of a site."""

    keys: tuple[ApiKey, ...] = ()

    def find(self, token: str, now: datetime | None = None) -> ApiKey | None:
        """Return the key of a token `leadart_<id>_<secret>`; None if there is none that is valid."""
        parts = token.split("_", 2)
        if len(parts) != 3 or parts[0] != PREFIX:
            return None
        digest = _hash(parts[2])
        for key in self.keys:
            if (
                key.id == parts[1]
                and hmac.compare_digest(key.sha256, digest)
                and key.is_valid(now or datetime.now(UTC))
            ):
                return key
        return None

    def valid(self, key_id: str, now: datetime) -> ApiKey | None:
        """Return the key of that id; None if there is none that may be used."""
        return next((key for key in self.keys if key.id == key_id and key.is_valid(now)), None)


def make_key(
    source: str, scopes: Sequence[Scope], note: str = "", articles: Sequence[str] = ("*",)
) -> tuple[ApiKey, str]:
    """Return a new key and its token, which is shown once."""
    key = ApiKey(
        id=secrets.token_hex(4),
        sha256="0" * 64,
        source=source,
        scopes=frozenset(scopes),
        articles=tuple(articles),
        note=note,
        created=datetime.now(UTC),
    )
    return renewed(key, key.created)


def renewed(key: ApiKey, now: datetime) -> tuple[ApiKey, str]:
    """Return a key with the same rights and for as long, created now, and its token, which is shown once."""
    key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    expires = None if key.expires is None else now + (key.expires - key.created)
    fresh = {"id": key_id, "sha256": _hash(secret), "created": now, "expires": expires}
    return key.model_copy(update=fresh), f"{PREFIX}_{key_id}_{secret}"


def read_keys(file: Path | None) -> KeyFile:
    """Read the file; none gives no keys. Raises `Fatal` with what is wrong."""
    if file is None:
        return KeyFile()
    try:
        return KeyFile.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return KeyFile()
    except (OSError, ValidationError) as error:
        raise Fatal(Reason.MISCONFIGURED, f"LEADART_GATEWAY__KEYS_FILE {file} cannot be used: {error}") from error


def write_keys(file: Path, keys: KeyFile) -> None:
    """Write the file atomically; a new one is readable by its owner only, one that is there stays as readable."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    try:
        draft.write_text(json.dumps(keys.model_dump(mode="json", exclude_none=True), indent=2) + "\n", encoding="utf-8")
        if file.exists():
            shutil.copymode(file, draft)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
