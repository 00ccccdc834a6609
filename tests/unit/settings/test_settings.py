"""Settings as an operator meets them: what is missing is named, and a secret is shown by nothing."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from typer.testing import CliRunner

from consumer.cli import app
from consumer.settings import HttpSettings, Settings, given_variables, load_settings, unknown_variables
from consumer.settings.secrets import SecretMissing, read_secret

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
    "SASL without a user": (
        kafka(SECURITY_PROTOCOL="SASL_SSL"),
        {
            "kafka.sasl_username": "SASL_SSL with SCRAM-SHA-512 needs a user name",
            "kafka.sasl_password": "SASL_SSL with SCRAM-SHA-512 needs a password, here or in a file "
            "(..._PASSWORD_FILE)",
        },
    ),
    "PLAIN without a password": (
        kafka(**SASL, SASL_MECHANISM="PLAIN"),
        {"kafka.sasl_password": "SASL_SSL with PLAIN needs a password, here or in a file (..._PASSWORD_FILE)"},
    ),
    "OAUTHBEARER without a token": (
        kafka(**SASL, SASL_MECHANISM="OAUTHBEARER"),
        {"kafka.sasl_oauth_token_file": "SASL_SSL with OAUTHBEARER needs a token file"},
    ),
    "a password without a protocol": (
        kafka(SASL_USERNAME="leadart", SASL_PASSWORD=HUSH),
        {
            "kafka.security_protocol": "is not set, so these would not be used: "
            "LEADART_KAFKA__SASL_PASSWORD, LEADART_KAFKA__SASL_USERNAME"
        },
    ),
    "a CA without a protocol": (
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
    "an address that is none": (
        kafka(BOOTSTRAP_SERVERS="kafka-0:9092, kafka-1:nine"),
        {"kafka.bootstrap_servers": "'kafka-1:nine' is not host:port"},
    ),
    "a port that is none": (
        kafka(BOOTSTRAP_SERVERS="b:65536"),
        {"kafka.bootstrap_servers": "'b:65536' is not host:port"},
    ),
    "a public address with a query": (
        {"STORAGE__PUBLIC_BASE_URL": f"https://cdn.example.org/?token={HUSH}"},
        {
            "storage.public_base_url": "must be an address without a query (?): keys of objects are appended to it",
        },
    ),
    "a public address with a user": (
        {"STORAGE__PUBLIC_BASE_URL": f"https://leadart:{HUSH}@cdn.example.org/#top"},
        {
            "storage.public_base_url": "must be an address without a user and a password and a fragment (#): "
            "keys of objects are appended to it",
        },
    ),
    "an endpoint with a password": (
        {"STORAGE__ENDPOINT_URL": f"http://leadart:{HUSH}@minio:9000"},
        {
            "storage.endpoint_url": "must be an address without a user and a password: keys of objects are appended "
            "to it",
        },
    ),
    "a short secret": (
        {"GATEWAY__SECRET": HUSH},
        {"gateway.secret": "give at least 32 characters, such as `openssl rand -base64 32` prints"},
    ),
    "an issuer whose tokens could be anybody's": (
        {"GATEWAY__OIDC_ISSUER": "http://login.example.org"},
        {
            "gateway.oidc_issuer": "must be an https address: keys that anybody on the way can change prove nothing",
            "gateway.oidc_audience": "name it: tokens that were made for another service must not open this one",
            "gateway.oidc_source": "set this or OIDC_SOURCE_CLAIM: one of them says whose articles a caller sees",
        },
    ),
    "a proxy that is no address": (
        {"GATEWAY__PROXIES": "10.0.0.7, nginx"},
        {"gateway.proxies": "'nginx' is no address and no network: write 10.0.0.7 or 10.0.0.0/8"},
    ),
    "a certificate without its key": (
        {"GATEWAY__TLS_CERTFILE": "own.pem"},
        {"gateway.tls_keyfile": "a certificate is set without its private key"},
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


@pytest.mark.parametrize("servers", ["kafka", "10.0.0.1:9092,[::1]:9092", "broker-1.example.org:9092 , b:1"])
def test_an_address_may_be_any_host(monkeypatch: pytest.MonkeyPatch, servers: str) -> None:
    """Names, both kinds of numbers, with a port or without."""
    assert load(monkeypatch, KAFKA__BOOTSTRAP_SERVERS=servers).kafka.bootstrap_servers == servers


def test_what_the_environment_gives_is_handed_on_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """`leadart dev` writes it for the commands; what is empty or no setting is not given."""
    given = {"LEADART_POLICY__FILE": "newsroom", "LEADART_KAFKA__SASL_PASSWORD_FILE": "/run/secret"}
    others = {"LEADART_KAFKA__SASL_PASSWORD": "s", "LEADART_STYLES__FILE": "", "LEADART_NO__SETTING": "1", "PATH_": "x"}
    for name, value in {**given, **others}.items():
        monkeypatch.setenv(name, value)

    assert given_variables() == given


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A misspelt pin would leave the weights unpinned; variables that Kubernetes sets are not ours to report."""
    env_file = tmp_path / "leadart.env"
    env_file.write_text(
        "LEADART_ENGINE__WEIGHT_SHA256=ab\nleadart_http__port=1\nOTHER__NAME=1\nLEADART_ENGINE_KIND=swatch\n"
    )
    monkeypatch.setenv("LEADART_KAFKA_PORT_9092_TCP", "tcp://10.0.0.1:9092")
    monkeypatch.setenv("LEADART_HTTP_PORT", "tcp://10.0.0.2:80")
    monkeypatch.setenv("LEADART_NOTHING__LIKE_IT_AT_ALL", "1")
    expected = {
        "LEADART_ENGINE_KIND": "LEADART_ENGINE__KIND",
        "LEADART_ENGINE__WEIGHT_SHA256": "LEADART_ENGINE__WEIGHTS_SHA256",
        "LEADART_NOTHING__LIKE_IT_AT_ALL": "",
    }

    assert unknown_variables(env_file) == expected
    done = CliRunner().invoke(app, ["styles", "--env-file", str(env_file)])
    assert done.exit_code == 0
    assert "WEIGHT_SHA256 is not a setting and is ignored: did you mean LEADART_ENGINE__WEIGHTS_SHA256?" in done.output


@pytest.mark.parametrize(
    ("variables", "content", "sentence"),
    [
        ({"LEADART_LOG": "debug"}, b"", "set LEADART_LOG__LEVEL, for example"),
        ({}, b"\xff\xfe", "--env-file is not UTF-8"),
    ],
)
def test_what_cannot_be_read_as_settings_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], content: bytes, sentence: str
) -> None:
    """A group set like a setting, or a file of another encoding, ends with status 2 and a sentence."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "env").write_bytes(content)
    done = CliRunner().invoke(app, ["styles", "--env-file", str(tmp_path / "env")])

    assert done.exit_code == 2
    assert sentence in done.output


SECRETS: dict[str, dict[str, str]] = {
    "KAFKA__SASL_PASSWORD": kafka(**SASL),
    "KAFKA__SSL_KEY_PASSWORD": kafka(SECURITY_PROTOCOL="SSL", SSL_CERTFILE="own.pem"),
    "STORAGE__SECRET_ACCESS_KEY": {},
}
"""Every secret, and what has to be set beside it."""


FILE_MARKS = [" {} ", " {} \n", " {} \r\n", "\ufeff {} \n"]
"""A text as editors and shells write it into a file."""


def value_of(settings: Settings, secret: str) -> str:
    section, _, name = secret.lower().partition("__")
    value: SecretStr | str = getattr(getattr(settings, section), name)
    return value if isinstance(value, str) else value.get_secret_value()


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("written", FILE_MARKS)
def test_a_secret_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secret: str, written: str) -> None:
    """The file's text is the secret, without its byte order mark and line break and with everything else."""
    (tmp_path / "secret").write_bytes(written.format(HUSH).encode())
    settings = load(monkeypatch, **SECRETS[secret], **{f"{secret}_FILE": str(tmp_path / "secret")})

    assert value_of(settings, secret) == f" {HUSH} "


@pytest.mark.parametrize("secret", [*SECRETS, "STORAGE__ACCESS_KEY_ID"])
@pytest.mark.parametrize("written", FILE_MARKS)
def test_a_variable_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, secret: str, written: str) -> None:
    """A variable that was filled from a file has lost what the editor or the shell put around its text."""
    settings = load(monkeypatch, **SECRETS.get(secret, {}), **{secret: written.format(HUSH)})

    assert value_of(settings, secret) == f" {HUSH} "


def test_an_env_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Its first name counts like the others, and is reported like the others if it is no setting."""
    env_file = tmp_path / "leadart.env"
    env_file.write_text("\ufeffLEADART_LOG__LEVEL=debug\nLEADART_HTTP__PORT=1\n", encoding="utf-8")
    settings = load_settings(env_file)

    assert (settings.log.level, settings.http.port) == ("debug", 1)
    env_file.write_text("\ufeffLEADART_LOG__LEVELS=debug\n", encoding="utf-8")
    assert unknown_variables(env_file) == {"LEADART_LOG__LEVELS": "LEADART_LOG__LEVEL"}


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


def only_spaces(folder: Path) -> Path:
    (folder / "spaces").write_text("  \n")
    return folder / "spaces"


def another_encoding(folder: Path) -> Path:
    (folder / "utf-16").write_bytes(HUSH.encode("utf-16-le"))
    return folder / "utf-16"


@pytest.mark.parametrize("kind", [missing, empty, a_folder, no_text, only_spaces, another_encoding])
def test_a_file_without_a_secret_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: object) -> None:
    """A file that is missing, empty, a folder or no text is an error that names setting and file, not its contents."""
    assert callable(kind)
    path = kind(tmp_path)
    with pytest.raises(ValidationError) as caught:
        load(monkeypatch, **kafka(**SASL, SASL_PASSWORD_FILE=str(path)))

    (error,) = caught.value.errors()
    assert error["loc"] == ("kafka", "sasl_password_file")
    assert error["msg"].startswith(str(path))
    with pytest.raises(SecretMissing) as refused:
        read_secret(path)
    assert HUSH not in "".join(traceback.format_exception(refused.value))


def test_the_pages_listen_on_loopback_by_default() -> None:
    """Pages without authentication are not served to other machines by default."""
    assert HttpSettings().host == "127.0.0.1"


def test_the_default_group_carries_both_prefixes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fleets that differ in a prefix alone have groups of their own; a group that is set is kept, whatever it is."""
    assert (load_settings().kafka.group_id, load_settings().group_is_set) == ("leadart", False)

    prefixed = load(monkeypatch, TOPICS__PREFIX="staging-", TOPICS__OWN_PREFIX="trial-")
    assert (prefixed.kafka.group_id, prefixed.source) == ("staging-trial-leadart", "/leadart/staging-trial-leadart")
    assert not prefixed.group_is_set

    kept = load(monkeypatch, KAFKA__GROUP_ID="leadart")
    assert (kept.kafka.group_id, kept.group_is_set) == ("leadart", True)
