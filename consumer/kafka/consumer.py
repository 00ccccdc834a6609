"""The group's consumer behind the `Reader` port: aiokafka's records, errors and signs of life, translated."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from consumer.delivery.ports import BusError, Listener, Partition, PositionLost
from consumer.jobs import Record
from consumer.kafka.client import ACCESS_DENIED, access_denied
from consumer.kafka.records import to_record, tolerate_header_names

log = structlog.get_logger(__name__)

LEAVE_SECONDS = 5.0
LOOK_SECONDS = 0.05

NEVER_ASSIGNED = TopicPartition("", 0)
"""Polling it alone returns no records, and drives the consumer all the same."""


class KafkaReader:
    """The `Reader` of one worker, over a consumer that is started and not yet subscribed."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    @property
    def assignment(self) -> frozenset[Partition]:
        """The partitions of the last rebalance."""
        return frozenset(Partition(*tp) for tp in self._consumer.assignment())

    @property
    def failure(self) -> str | None:
        """Name the consumer's background task that has died of an error, if any: aiokafka restarts none."""
        coordinator, fetcher = self._consumer._coordinator, self._consumer._fetcher  # noqa: SLF001 - no public sign of life
        for name, task in (
            ("coordination", coordinator and coordinator._coordination_task),  # noqa: SLF001
            ("heartbeat", coordinator and coordinator._heartbeat_task),  # noqa: SLF001
            ("fetch", fetcher and fetcher._fetch_task),  # noqa: SLF001
        ):
            if task is not None and task.done() and not task.cancelled() and task.exception() is not None:
                return f"The Kafka client's {name} task died of {task.exception()!r}"
        return None

    @property
    def awaits_assignment(self) -> bool:
        """True while the group has yet to give this member its partitions."""
        return bool(self._consumer._subscription.reassignment_in_progress)  # noqa: SLF001 - there is no public one

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        """Join the group."""
        self._consumer.subscribe(topics=list(topics), listener=_Relay(listener))

    async def unsubscribe(self) -> None:
        """Leave the group; where it cannot be told, the end of the session does it."""
        coordinator = self._consumer._coordinator  # noqa: SLF001 - `unsubscribe` leaves its heartbeats running
        self._consumer.unsubscribe()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await coordinator._stop_heartbeat_task()  # noqa: SLF001 - as above
                while coordinator.generation > 0:  # noqa: ASYNC110 - it tells the group in a task nobody can await
                    await asyncio.sleep(LOOK_SECONDS)

    def pause(self, partition: Partition) -> None:
        """Pause a partition. aiokafka drops what it fetched of it, and forgets the pause at a rebalance."""
        self._consumer.pause(TopicPartition(*partition))

    def resume(self, partition: Partition) -> None:
        """Resume a partition."""
        self._consumer.resume(TopicPartition(*partition))

    async def read(self, seconds: float, most: int, among: Sequence[Partition]) -> Mapping[Partition, Sequence[Record]]:
        """Poll once.

        Always `getmany` with a timeout, never cancelled: aiokafka counts a poll that is cancelled or raises as running
        for ever, and never enforces max_poll_interval again. The worker's own liveness does not rely on it.
        """
        # To aiokafka no partitions means all of them.
        partitions = [TopicPartition(*partition) for partition in among] or [NEVER_ASSIGNED]
        try:
            batches = await self._consumer.getmany(*partitions, timeout_ms=int(seconds * 1000), max_records=most)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
            raise PositionLost(repr(error), _named_in(error)) from error
        except ACCESS_DENIED as error:
            raise access_denied(error) from error
        except UnicodeDecodeError as error:
            log.warning("header_name_not_utf8", error=str(error))
            tolerate_header_names()
            raise BusError("header names are read tolerantly from here on") from error
        except Exception as error:  # a batch that does not decompress raises whatever its codec does
            raise BusError(repr(error)) from error
        # No await from here to the caller: the cursor is already past these records, and an owner that ran in between
        # would take them for control markers.
        return {Partition(*tp): [to_record(record) for record in records] for tp, records in batches.items()}


class _Relay(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka's base class is untyped
    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        del revoked  # always all of them: aiokafka has no cooperative rebalancing
        await self._listener.on_revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._listener.on_assigned(frozenset(Partition(*tp) for tp in assigned))


def _named_in(error: KafkaError) -> list[Partition]:
    """Return the partitions of an offset error: one as its argument, or several as the keys of a mapping."""
    tps = error.args[0] if error.args and isinstance(error.args[0], (dict, TopicPartition)) else ()
    return [Partition(*tp) for tp in ([tps] if isinstance(tps, TopicPartition) else tps)]
