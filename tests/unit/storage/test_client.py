from __future__ import annotations

import os
from pathlib import Path

import pytest

from consumer.errors import Overloaded
from consumer.settings import StorageSettings
from consumer.storage import S3Store
from consumer.storage.client import client_config
from schemas import Reason

KEYS = {"access_key_id": "ours", "secret_access_key": "secret"}
PROFILES = """
[default]
endpoint_url = http://default:1
[profile night]
aws_access_key_id = theirs
aws_secret_access_key = secret
services = store
[services store]
s3 =
  endpoint_url = http://night:1
"""


@pytest.fixture(autouse=True)
def _no_aws_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(PROFILES)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


async def _origin_and_key(settings: dict[str, str]) -> tuple[str, str]:
    """Return where pictures are announced, and the access key that signs."""
    async with S3Store(StorageSettings.model_validate({"bucket": "news", **settings})) as store:
        credentials = store._client._request_signer._credentials
        return await store.announced_origin(), (await credentials.get_frozen_credentials()).access_key


@pytest.mark.parametrize("profile", [None, "night", "missing"])
async def test_keys_in_the_settings_leave_no_say_to_profiles(
    monkeypatch: pytest.MonkeyPatch, profile: str | None
) -> None:
    """Neither a profile nor the default section of its file changes endpoint or keys, and a missing one is no error."""
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)
    assert await _origin_and_key(KEYS) == ("https://news.s3.amazonaws.com/", "ours")


async def test_without_keys_the_usual_chain_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile's keys sign, for the endpoint that it names, in the style that works without a name per bucket."""
    monkeypatch.setenv("AWS_PROFILE", "night")
    assert await _origin_and_key({}) == ("http://night:1/news/", "theirs")


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
async def test_an_endpoint_of_the_environment_is_addressed_by_path(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """`news.minio` resolves nowhere; the setting takes precedence."""
    monkeypatch.setenv(variable, "http://minio:9000")
    assert await _origin_and_key(KEYS) == ("http://minio:9000/news/", "ours")
    assert await _origin_and_key(KEYS | {"endpoint_url": "http://ceph:1"}) == ("http://ceph:1/news/", "ours")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert await _origin_and_key(KEYS) == ("https://news.s3.amazonaws.com/", "ours")


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [("AWS_ENDPOINT_URL_S3", "minio:9000", "minio:9000"), ("AWS_METADATA_SERVICE_TIMEOUT", "soon", "soon")],
)
async def test_a_variable_that_botocore_cannot_read_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, named: str
) -> None:
    """An endpoint without a scheme, or a time that is none, is reported like any other wrong setting."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(Overloaded, match=rf"AWS_\*: .*{named}") as refused:
        async with S3Store(StorageSettings()):
            pass
    assert refused.value.reason is Reason.MISCONFIGURED


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"access_key_id": "k"}, "LEADART_STORAGE__"), ({"region": "eu west"}, "eu west")],
)
async def test_settings_without_a_client_are_reported(settings: dict[str, str], named: str) -> None:
    """Half a key pair or an invalid region is reported like any other wrong setting."""
    with pytest.raises(Overloaded, match=named) as refused:
        async with S3Store(StorageSettings.model_validate(settings)):
            pass
    assert refused.value.reason is Reason.MISCONFIGURED


@pytest.mark.parametrize(
    ("host", "direct"), [("127.0.0.1", True), ("[::1]", True), ("localhost", True), ("s3.de", False)]
)
def test_no_proxy_is_used_for_this_machine(host: str, direct: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A proxy from the environment cannot reach the demo's own store."""
    assert (client_config(StorageSettings(), f"http://{host}:8333").proxies == {}) is direct
