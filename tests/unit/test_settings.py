"""Settings as an operator meets them: what is missing is named, and a secret is shown by nothing."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from consumer.cli import app
from consumer.secrets import SecretMissing, read_secret
from consumer.settings import HttpSettings, Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

HUSH = "hush-hush"
SASL = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "leadart"}


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """Load settings from these variables, named without LEADART_."""
    for name, value in variables.items():
        monkeypatch.setenv(f"LEADART_{name}", value)
    return load_settings()


def kafka(**variables: str) -> dict[str, str]:
    return {f"KAFKA__{name}": value for name, value in variables.items()}


WRONG = {
    "SASL without anybody": (
        kafka(SECURITY_PROTOCOL="SASL_SSL"),
        {
            "kafka.sasl_username": "SASL_SSL with SCRAM-SHA-512 wants a user name",
            "kafka.sasl_password": "SASL_SSL with SCRAM-SHA-512 wants a password, here or in a file "
            "(..._PASSWORD_FILE)",
        },
    ),
    "PLAIN without a password": (
        kafka(**SASL, SASL_MECHANISM="PLAIN"),
        {"kafka.sasl_password": "SASL_SSL with PLAIN wants a password, here or in a file (..._PASSWORD_FILE)"},
    ),
    "OAUTHBEARER without a token": (
        kafka(**SASL, SASL_MECHANISM="OAUTHBEARER"),
        {"kafka.sasl_oauth_token_file": "SASL_SSL with OAUTHBEARER wants the file that holds the token"},
    ),
    "a password, and no word of SASL": (
        kafka(SASL_USERNAME="leadart", SASL_PASSWORD=HUSH),
        {
            "kafka.security_protocol": "is not set, so these would not be used: "
            "LEADART_KAFKA__SASL_PASSWORD, LEADART_KAFKA__SASL_USERNAME"
        },
    ),
    "an authority, and no word of TLS": (
        kafka(SSL_CAFILE="ca.pem"),
        {"kafka.security_protocol": "is not set, so these would not be used: LEADART_KAFKA__SSL_CAFILE"},
    ),
    "a key without a certificate": (
        kafka(SECURITY_PROTOCOL="SSL", SSL_KEYFILE="own.key", SSL_KEY_PASSWORD=HUSH),
        {"kafka.ssl_certfile": "a private key is set, but not the certificate it belongs to"},
    ),
    "an unknown mechanism": (
        kafka(**SASL, SASL_MECHANISM="GSSAPI", SASL_PASSWORD=HUSH),
        {"kafka.sasl_mechanism": "Input should be 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512' or 'OAUTHBEARER'"},
    ),
    "a secret of the wrong kind": (
        {"KAFKA": f'{{"sasl_password": ["{HUSH}"]}}'},
        {"kafka.sasl_password": "Input should be a valid string"},
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Each setting that is missing or useless is named with what it is for; no error shows what was given."""
    variables, problems = WRONG[what]
    with pytest.raises(ValidationError) as caught:
        load(monkeypatch, **variables)

    assert {".".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()} == problems
    shown = "".join([str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)])
    assert HUSH not in shown


@pytest.mark.parametrize("what", WRONG)
def test_the_command_line_names_the_variable(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The worker ends with status 2 and a line for each wrong variable, spelled as it is set, without a secret."""
    variables, problems = WRONG[what]
    for name, value in variables.items():
        monkeypatch.setenv(f"LEADART_{name}", value)
    done = CliRunner().invoke(app, ["worker"])

    assert done.exit_code == 2
    for place, problem in problems.items():
        assert f"leadart: LEADART_{place.replace('.', '__').upper()}: {problem}" in done.output
    assert HUSH not in done.output


SECRETS: dict[str, dict[str, str]] = {
    "KAFKA__SASL_PASSWORD": kafka(**SASL),
    "KAFKA__SSL_KEY_PASSWORD": kafka(SECURITY_PROTOCOL="SSL", SSL_CERTFILE="own.pem"),
    "STORAGE__SECRET_ACCESS_KEY": {},
}
"""Every secret, and what has to be set beside it."""


def value_of(settings: Settings, secret: str) -> str:
    section, _, name = secret.lower().partition("__")
    value: str = getattr(getattr(settings, section), name).get_secret_value()
    return value


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secret: str, ending: str) -> None:
    """The file's text is the secret, without the line break at its end and with everything else."""
    (tmp_path / "secret").write_bytes(f" {HUSH} ".encode() + ending.encode())
    settings = load(monkeypatch, **SECRETS[secret], **{f"{secret}_FILE": str(tmp_path / "secret")})

    assert value_of(settings, secret) == f" {HUSH} "


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_shown_by_nothing(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """Neither printing the settings nor writing them out as JSON shows a secret."""
    settings = load(monkeypatch, **SECRETS[secret], **{secret: HUSH})

    assert value_of(settings, secret) == HUSH
    for shown in (str(settings), repr(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert HUSH not in shown


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_given_twice_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secret: str) -> None:
    """Variable and file at once leave open which of them is old: neither is taken."""
    (tmp_path / "secret").write_text(HUSH)
    both = {secret: HUSH, f"{secret}_FILE": str(tmp_path / "secret")}
    with pytest.raises(ValidationError, match=f"{secret.partition('__')[2]} is set as well") as caught:
        load(monkeypatch, **SECRETS[secret], **both)

    assert HUSH not in str(caught.value)


def missing(folder: Path) -> Path:
    return folder / "missing"


def empty(folder: Path) -> Path:
    (folder / "empty").write_text("\n")
    return folder / "empty"


def a_folder(folder: Path) -> Path:
    return folder


def no_text(folder: Path) -> Path:
    (folder / "binary").write_bytes(b"\xff" + HUSH.encode())
    return folder / "binary"


@pytest.mark.parametrize("kind", [missing, empty, a_folder, no_text])
def test_a_file_without_a_secret_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: object) -> None:
    """A file that is missing, empty, a folder or no text is an error that names setting and file, not its contents."""
    assert callable(kind)
    path = kind(tmp_path)
    with pytest.raises(ValidationError) as caught:
        load(monkeypatch, **kafka(**SASL, SASL_PASSWORD_FILE=str(path)))

    (error,) = caught.value.errors()
    assert error["loc"] == ("kafka", "sasl_password_file")
    assert error["msg"].startswith(str(path))
    with pytest.raises(SecretMissing) as told:
        read_secret(path)
    assert HUSH not in "".join(traceback.format_exception(told.value))


def test_the_pages_listen_on_loopback_unless_told() -> None:
    """Pages without authentication are not served to other machines by default."""
    assert HttpSettings().host == "127.0.0.1"
