"""The first contact with the brokers: at the bootstrap addresses, and at the addresses that the brokers there tell.

A client asks a bootstrap server who the brokers are, and from then on goes by the answer, `advertised.listeners`. Where
that is a name of another network, nothing works, though the address that was set is right.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import collect_hosts

from consumer.delivery.ports import BusError
from consumer.kafka import auth
from consumer.kafka.client import answered_within
from consumer.settings import KafkaSettings

REACH_SECONDS = 5.0
"""Bound on connecting to one of the brokers, while others are left to try."""


async def first_contact(settings: KafkaSettings, client: AIOKafkaClient, start: Callable[[], Awaitable[None]]) -> None:
    """Start a client that is the first to contact the brokers.

    Raises `Fatal` when one of them rejects this worker; `BusError` when none answers, with the address at fault: one of
    those that were set, or one that a broker told. To aiokafka all of that is one error.
    """
    try:
        async with answered_within(settings.request_timeout_seconds):
            await start()
    except BusError as error:
        servers = sorted((host, port) for host, port, _ in collect_hosts(settings.bootstrap_servers))
        if len(problems := await auth.probe_brokers(settings, servers)) < len(servers):
            await _reach_any_broker(settings, client)
            raise
        remedy = (
            "" if any(problem.endswith("?") for problem in problems) else ": check LEADART_KAFKA__BOOTSTRAP_SERVERS"
        )
        raise BusError(", ".join(problems) + remedy) from error
    await _reach_any_broker(settings, client)


async def _reach_any_broker(settings: KafkaSettings, client: AIOKafkaClient) -> None:
    """Connect to a broker at the address that it goes by; raise `BusError` if there is none that can be reached."""
    brokers = list(client.cluster.brokers())
    for broker in brokers:
        try:
            async with asyncio.timeout(min(REACH_SECONDS, settings.request_timeout_seconds)):
                if await client.ready(broker.nodeId):
                    return
        except TimeoutError:
            continue
    problems = await auth.probe_brokers(settings, [(broker.host, broker.port) for broker in brokers])
    if problems:
        raise BusError(
            f"{settings.bootstrap_servers} sends clients to the addresses that the brokers go by, and "
            f"{', '.join(problems)}. Set the brokers' advertised.listeners to addresses that can be reached from here"
        )
