"""Authentication at Kafka: each way works, each rejection is one sentence, and no secret is printed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from consumer.dev.embedded.s3 import S3Server
from consumer.errors import Fatal
from consumer.kafka.admin_client import open_admin
from consumer.lag.reader import open_lag_reader
from tests.support.certificates import Authority
from tests.support.guarded import ADMIN, CLIENT, GuardedKafka, password_of, token
from tests.support.harness import BOUND, Site, WorkerProcess, answer, cms, request_data, workers

Env = dict[str, str]
KEY_PASSWORD = "hush-key-hush"
HUSH = "hush-"
"""Prefix of every password in these tests."""


def encrypted(guarded: GuardedKafka, _folder: Path) -> Env:
    return {
        "BOOTSTRAP_SERVERS": guarded.tls,
        "SECURITY_PROTOCOL": "SSL",
        "SSL_CAFILE": str(guarded.authority.certificate),
    }


def certified(guarded: GuardedKafka, folder: Path) -> Env:
    identity = guarded.authority.issue(CLIENT, password=KEY_PASSWORD)
    (folder / "key-password").write_text(f"{KEY_PASSWORD}\n")
    return encrypted(guarded, folder) | {
        "BOOTSTRAP_SERVERS": guarded.mtls,
        "SSL_CERTFILE": str(identity.certificate),
        "SSL_KEYFILE": str(identity.key),
        "SSL_KEY_PASSWORD_FILE": str(folder / "key-password"),
    }


def by_password(mechanism: str) -> Callable[[GuardedKafka, Path], Env]:
    def environment(guarded: GuardedKafka, folder: Path) -> Env:
        (folder / "password").write_text(f"{password_of(ADMIN)}\n")
        return encrypted(guarded, folder) | {
            "BOOTSTRAP_SERVERS": guarded.sasl_tls,
            "SECURITY_PROTOCOL": "SASL_SSL",
            "SASL_MECHANISM": mechanism,
            "SASL_USERNAME": ADMIN,
            "SASL_PASSWORD_FILE": str(folder / "password"),
        }

    return environment


def unencrypted(guarded: GuardedKafka, _folder: Path) -> Env:
    return {
        "BOOTSTRAP_SERVERS": guarded.sasl,
        "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "SASL_USERNAME": ADMIN,
        "SASL_PASSWORD": password_of(ADMIN),
    }


def by_token(guarded: GuardedKafka, folder: Path) -> Env:
    (folder / "token").write_text(token(CLIENT))
    return encrypted(guarded, folder) | {
        "BOOTSTRAP_SERVERS": guarded.sasl_tls,
        "SECURITY_PROTOCOL": "SASL_SSL",
        "SASL_MECHANISM": "OAUTHBEARER",
        "SASL_OAUTH_TOKEN_FILE": str(folder / "token"),
    }


WAYS = {
    "TLS": encrypted,
    "TLS and our certificate": certified,
    "PLAIN over TLS": by_password("PLAIN"),
    "SCRAM-SHA-256 over TLS": by_password("SCRAM-SHA-256"),
    "SCRAM-SHA-512 over TLS": by_password("SCRAM-SHA-512"),
    "SCRAM-SHA-512 in the clear": unencrypted,
    "OAUTHBEARER over TLS": by_token,
}


@pytest.fixture(scope="module")
def open_site(guarded: GuardedKafka, s3: S3Server) -> Site:
    """The site that all these tests share, seen through the open port."""
    return Site.fresh(guarded, s3).prepare()


def through(site: Site, way: Mapping[str, str]) -> Site:
    """Return the same site, seen through another port."""
    return replace(site, env={**site.env, **{f"LEADART_KAFKA__{name}": value for name, value in way.items()}})


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_in_makes_a_picture(guarded: GuardedKafka, open_site: Site, tmp_path: Path, way: str) -> None:
    """A worker that authenticates this way announces a picture, and its secrets are in no log and on no page."""
    site = through(open_site, WAYS[way](guarded, tmp_path))
    with workers(site, tmp_path) as (worker,):
        async with cms(open_site) as desk:
            ready = await answer(desk, await desk.ask(request_data("a-1", article={"headline": f"By {way}"})))
        pages = [worker.get(path)[1] for path in ("/metrics", "/readyz", "/healthz")]
        assert worker.stop() == 0

    assert ready["pictures"]
    assert not secrets_in(worker.log.read_text(), *pages)


def secrets_in(*texts: str) -> list[str]:
    return [text for text in texts for secret in (HUSH, token(CLIENT)[:30]) if secret in text]


@pytest.mark.parametrize("way", ["TLS and our certificate", "SCRAM-SHA-512 over TLS", "OAUTHBEARER over TLS"])
def test_the_doctor_prints_no_secret(guarded: GuardedKafka, open_site: Site, tmp_path: Path, way: str) -> None:
    """The doctor authenticates with the same settings and prints none of their secrets."""
    done = through(open_site, WAYS[way](guarded, tmp_path)).run("doctor")

    assert done.returncode == 0, done.stdout
    assert not secrets_in(done.stdout, done.stderr)


def wrong_password(mechanism: str) -> Callable[[GuardedKafka, Path], Env]:
    def environment(guarded: GuardedKafka, folder: Path) -> Env:
        way = by_password(mechanism)(guarded, folder)
        (folder / "password").write_text("hush-another")
        return way

    return environment


def unknown_authority(guarded: GuardedKafka, folder: Path) -> Env:
    return encrypted(guarded, folder) | {"SSL_CAFILE": str(Authority(folder, "another").certificate)}


def other_host(guarded: GuardedKafka, folder: Path) -> Env:
    way = encrypted(guarded, folder)
    return way | {"BOOTSTRAP_SERVERS": way["BOOTSTRAP_SERVERS"].replace("127.0.0.1", "localhost")}


def without_certificate(guarded: GuardedKafka, folder: Path) -> Env:
    return encrypted(guarded, folder) | {"BOOTSTRAP_SERVERS": guarded.mtls}


def certificate_of_a_stranger(guarded: GuardedKafka, folder: Path) -> Env:
    stranger = Authority(folder, "another").issue(CLIENT)
    return without_certificate(guarded, folder) | {"SSL_CERTFILE": str(stranger.both)}


def wrong_key_password(guarded: GuardedKafka, folder: Path) -> Env:
    way = certified(guarded, folder)
    (folder / "key-password").write_text("hush-another")
    return way


def expired_token(guarded: GuardedKafka, folder: Path) -> Env:
    way = by_token(guarded, folder)
    (folder / "token").write_text(token(CLIENT, seconds=-60))
    return way


def missing_token(guarded: GuardedKafka, folder: Path) -> Env:
    way = by_token(guarded, folder)
    (folder / "token").unlink()
    return way


def missing_authority(guarded: GuardedKafka, folder: Path) -> Env:
    return encrypted(guarded, folder) | {"SSL_CAFILE": str(folder / "nowhere.pem")}


def another_mechanism(guarded: GuardedKafka, folder: Path) -> Env:
    return unencrypted(guarded, folder) | {"BOOTSTRAP_SERVERS": guarded.bootstrap_servers}


REJECTIONS = {
    "a wrong password for PLAIN": (wrong_password("PLAIN"), "rejects this worker's credentials .*SASL_PASSWORD"),
    "a wrong password for SCRAM": (
        wrong_password("SCRAM-SHA-512"),
        "rejects this worker's credentials .*SASL_PASSWORD",
    ),
    "an unknown authority": (unknown_authority, "certificate that is not trusted .*LEADART_KAFKA__SSL_CAFILE"),
    "a certificate for another host": (other_host, "certificate for another host .*LEADART_KAFKA__BOOTSTRAP_SERVERS"),
    "no certificate of ours": (
        without_certificate,
        "rejects this worker's certificate, or requires one .*SSL_CERT",
    ),
    "a stranger's certificate": (certificate_of_a_stranger, "rejects this worker's certificate.*SSL_CERTFILE"),
    "a wrong key password": (wrong_key_password, "The TLS files cannot be used .*SSL_KEY_PASSWORD"),
    "an expired token": (expired_token, "rejects this worker's credentials .*invalid_token.*SASL_OAUTH_TOKEN_FILE"),
    "no token": (missing_token, "token cannot be read: No such file.*SASL_OAUTH_TOKEN_FILE"),
    "no authority's file": (missing_authority, "nowhere.pem: No such file.*LEADART_KAFKA__SSL_CAFILE"),
    "a port that asks otherwise": (
        another_mechanism,
        "does not accept SASL_PLAINTEXT .*LEADART_KAFKA__SASL_MECHANISM",
    ),
}


@pytest.mark.parametrize("what", REJECTIONS)
def test_each_rejection_ends_the_worker_with_one_sentence(
    guarded: GuardedKafka, open_site: Site, tmp_path: Path, what: str
) -> None:
    """A rejected worker exits with status 1 and says, once and without a secret, what to check."""
    way, sentence = REJECTIONS[what]
    worker = WorkerProcess(through(open_site, way(guarded, tmp_path)), tmp_path / "worker.log")
    try:
        assert worker.process.wait(BOUND) == 1
    finally:
        worker.kill()

    log = worker.log.read_text()
    (message,) = [line for line in log.splitlines() if line.startswith("leadart: ")]
    assert re.search(sentence, message)
    assert "Traceback" not in log
    assert HUSH not in log


HANG_UPS: dict[str, Callable[[GuardedKafka], Env]] = {
    "in the clear, at a TLS port": lambda guarded: {"BOOTSTRAP_SERVERS": guarded.tls},
    "without a name, at a SASL port": lambda guarded: {"BOOTSTRAP_SERVERS": guarded.sasl},
    "with TLS, at an open port": lambda _guarded: {"SECURITY_PROTOCOL": "SSL"},
}


@pytest.mark.parametrize("how", HANG_UPS)
def test_a_broker_that_closes_the_connection_is_logged(
    guarded: GuardedKafka, open_site: Site, tmp_path: Path, how: str
) -> None:
    """It may be a starting broker, so the worker waits; the log names the setting that may be wrong."""
    worker = WorkerProcess(through(open_site, HANG_UPS[how](guarded)), tmp_path / "worker.log")
    try:
        deadline = time.monotonic() + BOUND
        while "closes the connection: does LEADART_KAFKA__SECURITY_PROTOCOL" not in worker.log.read_text():
            assert time.monotonic() < deadline, worker.log.read_text()
            assert worker.process.poll() is None, worker.log.read_text()
            time.sleep(0.1)
    finally:
        worker.kill()


@pytest.mark.parametrize("command", [("lag",), ("topics", "apply"), ("publish", "request.json")], ids=" ".join)
def test_commands_are_rejected_like_the_worker(
    guarded: GuardedKafka, open_site: Site, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Every command that connects to Kafka fails on a wrong password with the same sentence."""
    site = replace(through(open_site, wrong_password("PLAIN")(guarded, tmp_path)), folder=tmp_path)
    (tmp_path / "request.json").write_text('{"article": {"id": "a-1", "revision": 1, "headline": "Storm"}}')
    done = site.run(*command)

    assert done.returncode == 1
    assert "rejects this worker's credentials" in done.stderr
    assert HUSH not in done.stdout + done.stderr


async def test_a_token_is_read_again_for_each_connection(guarded: GuardedKafka, tmp_path: Path) -> None:
    """A refreshed file needs no restart: a token that was bad at first is good once replaced."""
    site = Site({f"LEADART_KAFKA__{name}": value for name, value in expired_token(guarded, tmp_path).items()})
    with pytest.raises(Fatal, match="invalid_token"):
        async with open_admin(site.settings.kafka):
            pass
    settings = site.settings.kafka
    (tmp_path / "token").write_text(token(CLIENT))
    async with open_admin(settings) as admin:
        assert (await admin.client.describe_cluster())["brokers"]


class HurriedKafka(GuardedKafka):
    """Ends each SASL session after two seconds: the next request on its connection is answered by a hang-up."""

    def _properties(self) -> str:
        return f"{super()._properties()}connections.max.reauth.ms=2000\n"


async def test_no_request_fails_because_a_session_ended(tmp_path: Path, s3: S3Server) -> None:
    """Through several sessions every call is answered, and a lag that is read again and again is always known."""
    with HurriedKafka(tmp_path) as hurried:
        site = through(Site.fresh(hurried, s3).prepare(), unencrypted(hurried, tmp_path))
        began, read = time.monotonic(), 0
        async with open_lag_reader(site.settings) as lags:
            while time.monotonic() - began < 3.5 * 2:
                snapshot = await lags.read()
                read += all(lag.records == 0 for lag in snapshot.partitions)
                assert snapshot.members == 0

    assert read > 3
