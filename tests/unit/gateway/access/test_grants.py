from __future__ import annotations

from datetime import UTC, datetime

import jwt
import pytest
from pydantic import SecretStr

from consumer.gateway.access.grants import Grant, GrantSigner
from consumer.gateway.access.key_file import KeyFile
from consumer.gateway.access.principal import Credential, Scope

LATER = datetime(2100, 1, 1, tzinfo=UTC)


SECRET = "s" * 32


def test_an_issuers_caller_is_bound_by_their_own_patterns() -> None:
    """A token of a caller without a key names nothing that the caller may not, wider patterns or not."""
    whole = Grant(name="Ada", source="/cms/news", scopes=frozenset({Scope.READ}), articles=("news-*",))
    narrow = whole.narrowed(frozenset({Scope.READ}), ("*",)).principal(KeyFile(), datetime.now(UTC))
    assert narrow is not None
    assert (narrow.may_name("news-1"), narrow.may_name("sport-1")) == (True, False)


def test_a_made_up_secret_is_another_each_time() -> None:
    """Without LEADART_GATEWAY__SECRET nothing that one process signed is good for another."""
    signed = GrantSigner(None).sign(Grant(key="k"), Credential.SESSION, LATER)
    assert GrantSigner(None).read(signed.text, Credential.SESSION) is None


@pytest.mark.parametrize(
    "text",
    [
        jwt.encode({"iss": "leadart", "aud": "session", "exp": LATER, "key": "k"}, None, "none"),  # type: ignore[arg-type]
        jwt.encode({"iss": "leadart", "aud": "session", "exp": LATER, "key": "k"}, "x" * 32, "HS256"),
        jwt.encode({"iss": "leadart", "aud": "session", "key": "k"}, SECRET, "HS256"),
        jwt.encode({"iss": "leadart", "exp": LATER, "key": "k"}, SECRET, "HS256"),
        jwt.encode({"iss": "leadart", "aud": "session", "exp": LATER, "key": "k"}, SECRET * 2, "HS512"),
    ],
    ids=["unsigned", "another secret", "endless", "for nothing", "another algorithm"],
)
def test_forged_grants_are_nothing(text: str) -> None:
    """Only what was signed here, whole, with an end and a purpose, counts."""
    assert GrantSigner(SecretStr(SECRET)).read(text, Credential.SESSION) is None
