"""Whether an S3 server does what its users ask for next. Its front answers before the parts behind it can store."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from consumer.errors import LeadartError, Overloaded
from consumer.settings import StorageSettings
from consumer.storage.client import open_client
from consumer.storage.failures import bounded
from schemas import Reason

BUCKET = "leadart-startup"
"""Made for the probe and deleted by it."""

_BODY = bytes(16 << 10)
"""As large as a small picture: SeaweedFS keeps smaller objects in its index, for which no volume is needed."""


def problem_of(settings: StorageSettings) -> str | None:
    """Return why the store does not take an object in a new bucket and give it back; None if it does.

    Blocks, for little more than `timeout_seconds`. May be called where an event loop runs.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _problem(settings)).result()


async def _problem(settings: StorageSettings) -> str | None:
    try:
        async with open_client(settings) as client, bounded(settings.timeout_seconds):
            await _round_trip(client)
    except LeadartError as error:
        return error.message
    return None


async def _round_trip(client: Any) -> None:
    with suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
        await client.create_bucket(Bucket=BUCKET)  # a probe that failed has left it
    await client.put_object(Bucket=BUCKET, Key="probe", Body=_BODY)
    found = await client.get_object(Bucket=BUCKET, Key="probe")
    if await found["Body"].read() != _BODY:
        raise Overloaded(Reason.STORE_UNAVAILABLE, "the store does not give back what it was given")
    await client.delete_object(Bucket=BUCKET, Key="probe")
    await client.delete_bucket(Bucket=BUCKET)
