"""The S3 client and its configuration."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.configprovider import ConfiguredEndpointProvider

from consumer.errors import Overloaded
from consumer.settings import StorageSettings
from consumer.storage.failures import bounded
from schemas import Reason

_CONNECT_SECONDS = 5.0
_IDLE_SECONDS = 5.0  # an idle connection is closed before anything on the way forgets it, and answers with silence


@asynccontextmanager
async def open_client(settings: StorageSettings) -> AsyncIterator[Any]:
    """Open a client with bounded connections. Raises `Overloaded` for invalid keys, region or profile."""
    async with bounded(settings.timeout_seconds):
        try:
            opening = _client(settings)
            client = await opening.__aenter__()
        except ValueError as error:  # botocore's for AWS_* that it cannot read, such as an endpoint without a scheme
            raise Overloaded(
                Reason.MISCONFIGURED, f"storage is misconfigured, see LEADART_STORAGE__* and AWS_*: {error}"
            ) from error
    try:
        yield client
    finally:
        await opening.__aexit__(None, None, None)


def _client(settings: StorageSettings) -> Any:
    secret, session = settings.secret_access_key, _session(settings)
    endpoint = str(settings.endpoint_url) if settings.endpoint_url else _configured_endpoint(session)
    return aioboto3.Session(botocore_session=session).client(
        "s3",
        endpoint_url=endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=client_config(settings, endpoint),
    )


def _session(settings: StorageSettings) -> AioSession:
    session = AioSession()
    if settings.access_key_id is not None:  # then the keys are here, and no profile has a say
        store = session.get_component("config_store")  # the session's own method cannot set None
        for variable, value in (("profile", None), ("config_file", os.devnull), ("credentials_file", os.devnull)):
            store.set_config_variable(variable, value)
    return session


def _configured_endpoint(session: AioSession) -> str | None:
    """Return what AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or a profile says: the addressing style depends on it."""
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    endpoint: str | None = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), "s3").provide()
    return endpoint


async def credentials_end(client: Any) -> tuple[bool, datetime | None]:
    """Return whether the client's credentials are temporary, such as a role's, and when they expire, if known.

    Addresses that they presigned expire with them.
    """
    credentials = client._request_signer._credentials  # noqa: SLF001 - no public name has them
    if credentials is None or not (await credentials.get_frozen_credentials()).token:
        return False, None
    return True, getattr(credentials, "_expiry_time", None)


def client_config(settings: StorageSettings, endpoint: str | None) -> AioConfig:
    """Return the client's timeouts, retries, signature and addressing style; without an endpoint, Amazon's."""
    host = urlsplit(endpoint).hostname if endpoint else None
    return AioConfig(
        connector_args={"keepalive_timeout": _IDLE_SECONDS},
        connect_timeout=min(_CONNECT_SECONDS, settings.timeout_seconds),
        read_timeout=settings.timeout_seconds,
        max_pool_connections=settings.connections,
        retries={"mode": "standard", "total_max_attempts": 3},
        signature_version="s3v4",
        s3={"addressing_style": _addressing(settings, endpoint)},
        # A proxy from the environment is outside this machine and cannot reach a store on it.
        proxies={} if host and _is_this_machine(host) else None,
        # We send a checksum of our own; botocore's CRC would be a second one of the same bytes.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _addressing(settings: StorageSettings, endpoint: str | None) -> str:
    """AWS regions since 2019 need the region in the host name, which botocore's `auto` omits when presigning."""
    buckets = (settings.bucket, settings.manifest_bucket or "")
    # AWS certificates do not cover bucket names with dots as part of the host name.
    return "path" if endpoint or any("." in bucket for bucket in buckets) else "virtual"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
