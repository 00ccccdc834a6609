"""aiokafka's errors, translated."""

from __future__ import annotations

import pytest
from aiokafka.errors import IncompatibleBrokerVersion, NodeNotReadyError, UnsupportedVersionError

from consumer.delivery.ports import BusError
from consumer.errors import Fatal
from consumer.kafka.client import answered_within


@pytest.mark.parametrize(
    "error",
    [
        IncompatibleBrokerVersion("DescribeConfigsRequest cannot be used"),
        UnsupportedVersionError("DescribeConfigsRequest"),
        NotImplementedError("Support for DescribeConfigsRequest v5 has not yet been added"),
    ],
)
async def test_a_broker_without_an_api_is_named_as_such(error: Exception) -> None:
    """Whichever way it shows: too old, too new, or not Apache Kafka. Waiting would not help, so it is fatal."""
    with pytest.raises(
        Fatal, match=r"The brokers lack a part of Kafka's protocol .*DescribeConfigsRequest.*Kafka 3\.4"
    ):
        async with answered_within(1):
            raise error


async def test_a_missing_codec_is_not_blamed_on_the_broker() -> None:
    """Aiokafka raises the same type for a library that is not installed."""
    with pytest.raises(NotImplementedError, match="Snappy"):
        async with answered_within(1):
            raise NotImplementedError("Snappy codec is not available")


async def test_errors_are_put_in_words() -> None:
    """The client's sentence and the error's name, which somebody may look up; no Python around them."""
    for error, words in {
        NodeNotReadyError(
            "The node is not ready (node id 1)."
        ): "The node is not ready (node id 1) (NodeNotReadyError)",
        NodeNotReadyError(): "NodeNotReadyError",
        ConnectionRefusedError(111, "Connection refused"): "[Errno 111] Connection refused (ConnectionRefusedError)",
    }.items():
        with pytest.raises(BusError) as caught:
            async with answered_within(1):
                raise error
        assert str(caught.value) == words
