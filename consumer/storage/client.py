"""The S3 client and its configuration."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import aioboto3
from botocore.config import Config

from consumer.settings import StorageSettings
from consumer.storage.failures import bounded

_CONNECT_SECONDS = 5.0


@asynccontextmanager
async def open_client(settings: StorageSettings) -> AsyncIterator[Any]:
    """Open a client with bounded connections. Raises `Overloaded` for invalid keys, region or profile."""
    secret = settings.secret_access_key
    async with bounded(settings.timeout_seconds):
        opening = aioboto3.Session().client(
            "s3",
            endpoint_url=str(settings.endpoint_url) if settings.endpoint_url else None,
            region_name=settings.region,
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=client_config(settings),
        )
        client = await opening.__aenter__()
    try:
        yield client
    finally:
        await opening.__aexit__(None, None, None)


async def credentials_end(client: Any) -> tuple[bool, datetime | None]:
    """Return whether the client's credentials are temporary, such as a role's, and when they expire, if known.

    Addresses that they presigned expire with them.
    """
    credentials = client._request_signer._credentials  # noqa: SLF001 - no public name has them
    if credentials is None or not (await credentials.get_frozen_credentials()).token:
        return False, None
    return True, getattr(credentials, "_expiry_time", None)


def client_config(settings: StorageSettings) -> Config:
    """Return the client's timeouts, retries, signature and addressing style."""
    host = settings.endpoint_url.host if settings.endpoint_url else None
    return Config(
        connect_timeout=min(_CONNECT_SECONDS, settings.timeout_seconds),
        read_timeout=settings.timeout_seconds,
        max_pool_connections=settings.connections,
        retries={"mode": "standard", "total_max_attempts": 3},
        signature_version="s3v4",
        s3={"addressing_style": _addressing(settings)},
        # A proxy from the environment is outside this machine and cannot reach a store on it.
        proxies={} if host and _is_this_machine(host) else None,
        # We send the SHA-256 that names the object; botocore's CRC would be a second checksum of the same bytes.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _addressing(settings: StorageSettings) -> str:
    """AWS regions since 2019 need the region in the host name, which botocore's `auto` omits when presigning."""
    buckets = (settings.bucket, settings.manifest_bucket or "")
    # AWS certificates do not cover bucket names with dots as part of the host name.
    return "path" if settings.endpoint_url or any("." in bucket for bucket in buckets) else "virtual"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
