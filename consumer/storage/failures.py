"""What a failing store means for the worker: nearly always `Overloaded`, and always a sentence that says what mends it.

A store that is down and one that is set up wrong are told apart by the reason only. Both get well without the request
having to be sent again, so neither may cost a job. A picture that is too large for what stands before the store is
`Unstorable`: others get through meanwhile, and must not wait behind it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import ClientError as ConnectionBroken
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as ConnectionFailed

from consumer.errors import Overloaded, Unstorable
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BUCKET = "check LEADART_STORAGE__BUCKET and LEADART_STORAGE__MANIFEST_BUCKET, or make the bucket"
_REGION = "check LEADART_STORAGE__REGION"
CONDITIONS = "use a store that honours conditional writes (Amazon S3, SeaweedFS)"
_PASSING = {"RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "Throttling", "SlowDown"}
"""What S3 answers with status 400 though nothing is wrong with what we asked: it was cut short, or is too much."""
_KEYS = (
    "check LEADART_STORAGE__ACCESS_KEY_ID and LEADART_STORAGE__SECRET_ACCESS_KEY, and that they may do s3:GetObject, "
    "s3:PutObject and s3:ListBucket"
)
_REMEDIES = {
    "NotImplemented": CONDITIONS,
    "NoSuchBucket": _BUCKET,
    "404": _BUCKET,  # the answer to HEAD has no body to name it
    "RequestTimeTooSkewed": "set this machine's clock",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
}


@asynccontextmanager
async def bounded(seconds: float) -> AsyncIterator[None]:
    """Give what is inside `seconds`; raise `Overloaded` for whatever goes wrong between us and the store.

    Raises `Unstorable` for a body that is too large.
    """
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


def _refused(error: ClientError) -> Overloaded | Unstorable:
    answer = f"{code(error)} ({error.response['Error'].get('Message', 'no message')})"
    if status(error) == 413 or code(error) == "EntityTooLarge":
        return Unstorable(
            Reason.STORE_UNAVAILABLE,
            f"the picture is too large for the store or for a proxy before it: {answer}; raise the proxy's limit to 32 "
            "MB (nginx calls it client_max_body_size)",
        )
    passing = status(error) >= 500 and code(error) != "NotImplemented"
    if passing or status(error) in {408, 409, 429} or code(error) in _PASSING:
        return Overloaded(Reason.STORE_UNAVAILABLE, f"the store is in trouble: {answer}")
    remedy = _REMEDIES.get(code(error), _KEYS if status(error) == 403 else "check LEADART_STORAGE__*")
    return Overloaded(Reason.MISCONFIGURED, f"the store refused {error.operation_name}: {answer}; {remedy}")
