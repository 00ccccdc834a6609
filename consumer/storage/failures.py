"""What a failing store means for the worker: always `Overloaded`, and always a sentence that says what mends it.

A store that is down and one that is set up wrong are told apart by the reason only. Both get well without the request
having to be sent again, so neither may cost a job.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import ClientError as ConnectionBroken
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as ConnectionFailed

from consumer.errors import Overloaded
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BUCKET = "check LEADART_STORAGE__BUCKET and LEADART_STORAGE__MANIFEST_BUCKET, or make the bucket"
_REGION = "check LEADART_STORAGE__REGION"
_KEYS = (
    "check LEADART_STORAGE__ACCESS_KEY_ID and LEADART_STORAGE__SECRET_ACCESS_KEY, and that they may do s3:GetObject, "
    "s3:PutObject and s3:ListBucket"
)
_REMEDIES = {
    "NoSuchBucket": _BUCKET,
    "404": _BUCKET,  # the answer to HEAD has no body to name it
    "RequestTimeTooSkewed": "set this machine's clock",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
}


@asynccontextmanager
async def bounded(seconds: float) -> AsyncIterator[None]:
    """Give what is inside `seconds`; raise `Overloaded` for whatever goes wrong between us and the store."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except ClientError as error:
        raise _refused(error) from error
    except (ConnectionFailed, HTTPClientError, ConnectionBroken, OSError) as error:  # OSError: TimeoutError is one
        problem = str(error) or f"no answer within {seconds:g} s"
        raise Overloaded(Reason.STORE_UNAVAILABLE, f"the store cannot be reached: {problem}") from error
    except BotoCoreError as error:
        raise Overloaded(Reason.MISCONFIGURED, f"the store is set up wrong, see LEADART_STORAGE__*: {error}") from error


def code(error: ClientError) -> str:
    """S3's name for the error; for an answer to HEAD only the status."""
    return str(error.response["Error"]["Code"])


def status(error: ClientError) -> int:
    """The HTTP status of the answer."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def _refused(error: ClientError) -> Overloaded:
    answer = f"{code(error)} ({error.response['Error'].get('Message', 'no message')})"
    if status(error) >= 500 or status(error) in {408, 409, 429}:
        return Overloaded(Reason.STORE_UNAVAILABLE, f"the store is in trouble: {answer}")
    remedy = _REMEDIES.get(code(error), _KEYS if status(error) == 403 else "check LEADART_STORAGE__*")
    return Overloaded(Reason.MISCONFIGURED, f"the store refused {error.operation_name}: {answer}; {remedy}")
