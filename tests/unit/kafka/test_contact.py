"""The first contact: the address that is at fault is named, be it the one that was set or one that a broker told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import BrokerMetadata

from consumer.delivery.ports import BusError
from consumer.dev.embedded.server import free_ports
from consumer.kafka.contact import first_contact
from consumer.settings import KafkaSettings


@dataclass
class Client:
    """aiokafka's client: the brokers that it was told of, and those that it reaches."""

    ports: list[int] = field(default_factory=list)
    reached: frozenset[int] = frozenset()
    error: Exception | None = None

    @property
    def cluster(self) -> Self:
        return self

    def brokers(self) -> list[BrokerMetadata]:
        return [BrokerMetadata(number, "127.0.0.1", port, None) for number, port in enumerate(self.ports)]

    async def ready(self, number: int) -> bool:
        return number in self.reached

    async def start(self) -> None:
        if self.error:
            raise self.error


async def contact(client: Any, servers: str) -> None:
    await first_contact(KafkaSettings(bootstrap_servers=servers, request_timeout_seconds=1), client, client.start)


async def test_bootstrap_servers_that_are_down_are_named_with_their_setting() -> None:
    """One sentence, without the words of the client."""
    one, other = sorted(free_ports(2))
    with pytest.raises(BusError) as caught:
        await contact(Client(error=KafkaConnectionError("Unable to bootstrap")), f"127.0.0.1:{one},127.0.0.1:{other}")

    assert str(caught.value) == (
        f"127.0.0.1:{one} refuses the connection, 127.0.0.1:{other} refuses the connection: check "
        "LEADART_KAFKA__BOOTSTRAP_SERVERS"
    )


async def test_an_address_that_a_broker_told_and_nobody_reaches_is_named() -> None:
    """The bootstrap server answers and is not to blame: its advertised.listeners are."""
    (away,) = free_ports(1)
    with pytest.raises(BusError) as caught:
        await contact(Client([away]), "bootstrap:9092")

    assert str(caught.value) == (
        "bootstrap:9092 sends clients to the addresses that the brokers go by, and "
        f"127.0.0.1:{away} refuses the connection. Set the brokers' advertised.listeners to addresses that can be "
        "reached from here"
    )


async def test_one_broker_that_can_be_reached_is_enough() -> None:
    """The others may be down for a while."""
    await contact(Client(free_ports(2), reached=frozenset({1})), "bootstrap:9092")
