from __future__ import annotations

import asyncio

import aiohttp
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ReadTimeoutError,
)

from consumer.errors import Overloaded, Transient, Unstorable
from consumer.storage.failures import bounded
from schemas import Reason


def answer(code: str, status: int) -> ClientError:
    response = {"Error": {"Code": code, "Message": "because"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PutObject")


async def _overloaded(error: BaseException) -> Overloaded:
    with pytest.raises(Overloaded) as caught:
        async with bounded(1.0):
            raise error
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        answer("InternalError", 500),
        answer("SlowDown", 503),
        answer("RequestTimeout", 400),
        answer("IncompleteBody", 400),
        answer("408", 408),
        answer("TooManyRequests", 429),
        answer("ConditionalRequestConflict", 409),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:9"),
        ReadTimeoutError(endpoint_url="http://127.0.0.1:9"),
        aiohttp.ClientPayloadError("cut off"),
        ConnectionResetError("by peer"),
    ],
    ids=repr,
)
async def test_a_transient_error_is_unavailable(error: Exception) -> None:
    """An error that passes by itself is `Overloaded` as `store_unavailable`."""
    assert (await _overloaded(error)).reason is Reason.STORE_UNAVAILABLE


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (answer("AccessDenied", 403), "LEADART_STORAGE__ACCESS_KEY_ID"),
        (answer("InvalidAccessKeyId", 403), "LEADART_STORAGE__ACCESS_KEY_ID"),
        (answer("403", 403), "s3:ListBucket"),
        (answer("NoSuchBucket", 404), "LEADART_STORAGE__BUCKET"),
        (answer("", 404), "404 (because); check LEADART_STORAGE__BUCKET"),
        (answer("InvalidObjectState", 403), "restore it"),
        (answer("404", 404), "LEADART_STORAGE__BUCKET"),
        (answer("PermanentRedirect", 301), "LEADART_STORAGE__REGION"),
        (answer("RequestTimeTooSkewed", 403), "clock"),
        (answer("InvalidArgument", 400), "LEADART_STORAGE__*"),
        (answer("NotImplemented", 501), "conditional writes"),
        (NoCredentialsError(), "LEADART_STORAGE__*"),
        (BotoCoreError(), "LEADART_STORAGE__*"),
    ],
    ids=repr,
)
async def test_a_misconfigured_store_names_the_setting(error: Exception, named: str) -> None:
    """An error that an operator has to fix is `Overloaded` as `misconfigured`, and the message names the setting."""
    overloaded = await _overloaded(error)

    assert overloaded.reason is Reason.MISCONFIGURED
    assert named in overloaded.message


@pytest.mark.parametrize("error", [answer("413", 413), answer("EntityTooLarge", 400)], ids=repr)
async def test_a_picture_that_is_too_large_is_no_overload(error: Exception) -> None:
    """Others are stored: only this request fails, is retried later, and names the limit to raise."""
    with pytest.raises(Unstorable, match="client_max_body_size"):
        async with bounded(1.0):
            raise error


async def test_an_unnamed_connection_problem_is_named_by_its_class() -> None:
    """Botocore wraps what it does not know, in a sentence that hides it."""
    overloaded = await _overloaded(HTTPClientError(error=aiohttp.ClientError("moved")))
    assert overloaded.message == "the store cannot be reached: ClientError: moved"


async def test_silence_is_bounded() -> None:
    """A call without an answer is ended, and the message says after how long."""
    with pytest.raises(Overloaded, match=r"no answer within 0\.01 s"):
        async with bounded(0.01):
            await asyncio.Event().wait()


async def test_other_errors_pass() -> None:
    """An error that is not the store's is not translated."""
    for error in (Transient(Reason.ENGINE_FAILED, "x"), ZeroDivisionError(), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            async with bounded(1.0):
                raise error
