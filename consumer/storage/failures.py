"""Translate store errors: nearly always to `Overloaded`, always with a sentence that says how to fix the problem.

A store that is down and one that is misconfigured differ in their reason only: once either is fixed, jobs continue
without being sent again, so neither may cost a job. A picture too large for the store, or for a proxy in front of it,
is `Unstorable`: others are stored meanwhile and must not wait for it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientError as ConnectionBroken
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as ConnectionFailed

from consumer.errors import Overloaded, Unstorable
from schemas import Reason

_BUCKET = "check LEADART_STORAGE__BUCKET and LEADART_STORAGE__MANIFEST_BUCKET, or create the bucket"
_REGION = "check LEADART_STORAGE__REGION"
CONDITIONS = "use a store that supports conditional writes (Amazon S3, SeaweedFS)"
_CHECKSUMS = (
    "leadart sends `x-amz-checksum-sha256`, where that is refused `Content-MD5`, where both are refused neither: use a "
    "bucket that takes one of them"
)
_TRANSIENT = {"RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "Throttling", "SlowDown"}
"""S3's errors with status 400 for a valid request: it was cut off, or there are too many."""
_KEYS = (
    "check LEADART_STORAGE__ACCESS_KEY_ID and LEADART_STORAGE__SECRET_ACCESS_KEY, and that they allow s3:GetObject, "
    "s3:PutObject and s3:ListBucket"
)
_MAY_NOT_DELETE = (
    "these keys may not delete objects: withdrawals and `leadart store sweep` need keys that allow s3:DeleteObject"
)
_ENCRYPTION = "if they do, the bucket's policy may demand encryption: LEADART_STORAGE__SERVER_SIDE_ENCRYPTION"
_REMEDIES = {
    "NotImplemented": CONDITIONS,
    "NoSuchBucket": _BUCKET,
    "404": _BUCKET,  # a response to HEAD has no body with a code
    "InvalidObjectState": "it is archived: restore it, and let no lifecycle rule archive what leadart stores",
    "RequestTimeTooSkewed": "correct this machine's clock",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
}


@asynccontextmanager
async def bounded(seconds: float) -> AsyncIterator[None]:
    """Limit the block to `seconds`. Raises `Overloaded` for any store error, `Unstorable` for a body too large."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except ClientError as error:
        raise refusal(error) from error
    except (ConnectionFailed, HTTPClientError, ConnectionBroken, OSError) as error:  # OSError: TimeoutError is one
        problem = _connection_problem(error) or f"no answer within {seconds:g} s"
        raise Overloaded(Reason.STORE_UNAVAILABLE, f"the store cannot be reached: {problem}") from error
    except BotoCoreError as error:
        raise Overloaded(Reason.MISCONFIGURED, f"storage is misconfigured, see LEADART_STORAGE__*: {error}") from error


def _connection_problem(error: Exception) -> str:
    """Return what went wrong, for what botocore has no name for by the class of the cause, such as TooManyRedirects."""
    cause = getattr(error, "kwargs", {}).get("error")
    return f"{type(cause).__name__}: {cause}" if type(error) is HTTPClientError else str(error)


def code(error: ClientError) -> str:
    """Return S3's code of the error; the status for a response without one, as to HEAD or from a proxy."""
    return str(error.response["Error"]["Code"] or status(error))


def status(error: ClientError) -> int:
    """Return the HTTP status of the response."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def is_transient(error: ClientError) -> bool:
    """Return whether the store may accept the same request later."""
    failing = status(error) >= 500 and code(error) != "NotImplemented"
    return failing or status(error) in {408, 409, 429} or code(error) in _TRANSIENT


def refusal(error: ClientError, resource: str = "") -> Overloaded | Unstorable:
    """Return the store's refusal as what happens next: wait, or `Unstorable` for a body too large.

    `resource` is what a missing right is missing on.
    """
    answer = said(error)
    if status(error) == 413 or code(error) == "EntityTooLarge":
        return Unstorable(
            Reason.STORE_UNAVAILABLE,
            f"the picture is too large for the store or a proxy in front of it: {answer}; raise the proxy's limit to "
            "32 MB (nginx calls it client_max_body_size)",
        )
    if is_transient(error):
        return Overloaded(Reason.STORE_UNAVAILABLE, f"the store reports an error: {answer}")
    return Overloaded(
        Reason.MISCONFIGURED, f"the store refused {error.operation_name}: {answer}; {_remedy(error, resource)}"
    )


def said(error: ClientError) -> str:
    """Return what the store said, in its own words."""
    return f"{code(error)} ({_message(error)})"


def _message(error: ClientError) -> str:
    return str(error.response["Error"].get("Message") or "no message")


def _remedy(error: ClientError, resource: str) -> str:
    message, keys = _message(error).lower(), f"{_KEYS} on {resource}" if resource else _KEYS
    if "checksum" in message or "content-md5" in message:
        return _CHECKSUMS
    if code(error) == "AccessDenied" and error.operation_name == "DeleteObject":
        return _MAY_NOT_DELETE
    if code(error) == "AccessDenied" and error.operation_name == "PutObject":
        return f"{keys}; {_ENCRYPTION}"
    return _REMEDIES.get(code(error), keys if status(error) == 403 else "check LEADART_STORAGE__*")
