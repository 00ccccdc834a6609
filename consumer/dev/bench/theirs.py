"""The other side as a process: a plain FastStream handler with the default settings.

The handler validates the same records in the same way and awaits one publish of an outcome as large as ours, made
beforehand. Run `python -m consumer.dev.bench.theirs` with the settings in the environment; SIGTERM stops it.
"""

import asyncio
from typing import Any, cast

from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from consumer.dev.bench.requests import HEADLINE
from consumer.dev.bench.sample import outcome
from consumer.settings import Settings, load_settings
from schemas import names
from schemas.reader import parse_request


def application(settings: Settings) -> FastStream:
    """Return an application with one subscriber, FastStream's default acknowledgement and one publish."""
    servers = settings.kafka.bootstrap_servers
    broker = KafkaBroker(servers) if settings.log.level == "info" else KafkaBroker(servers, logger=None)
    outcomes = settings.topics.named(names.OUTCOME)
    headers, value = outcome(settings.source, 32 * "0", HEADLINE)

    async def answer(message: KafkaMessage) -> None:
        record = cast("Any", message.raw_message)  # aiokafka's: a batch only where one asks for it
        event, _ = parse_request(record.key, record.headers, record.value)
        stamped = {**headers, "ce_causationid": event.id}
        await broker.publish(value, topic=outcomes, key=record.key, partition=record.partition, headers=stamped)

    broker.subscriber(settings.topics.named(names.REQUESTED), group_id=settings.kafka.group_id)(answer)
    return FastStream(broker)


if __name__ == "__main__":
    asyncio.run(application(load_settings()).run())
