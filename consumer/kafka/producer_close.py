"""Close a producer in any state, in bounded time, without leaving sockets or tasks."""

import asyncio
from contextlib import suppress
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

CLOSE_SECONDS = 3.0
"""Time for an orderly close of a client before it is torn down."""


async def close_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer, or cancel its tasks one by one once `CLOSE_SECONDS` have passed.

    `stop()` flushes, and a flush never ends while the broker is down or once the producer is fenced; cancelling it
    leaves the sender's requests running, and they reconnect.
    """
    _hush(producer)
    with suppress(TimeoutError, KafkaError, OSError, AssertionError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await producer.stop()
            return
    producer._closed = True  # noqa: SLF001 - or its finalizer warns
    orphans = [task for task in asyncio.all_tasks() if _works_for(task, producer)]
    for task in orphans:
        task.cancel()
    if orphans:
        await asyncio.wait(orphans, timeout=CLOSE_SECONDS)
    with suppress(TimeoutError, KafkaError, OSError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await producer.client.close()


def _hush(producer: AIOKafkaProducer) -> None:
    """Retrieve the error that ended a transaction: the epoch has raised it, but asyncio warns of unread futures."""
    accumulator = producer._message_accumulator  # noqa: SLF001
    batches = chain(accumulator._pending_batches, *accumulator._batches.values())  # noqa: SLF001
    transaction = producer._txn_manager and producer._txn_manager._transaction_waiter  # noqa: SLF001
    for waiter in (transaction, *(batch._drain_waiter for batch in batches)):  # noqa: SLF001
        if waiter is not None:
            waiter.add_done_callback(lambda done: done.cancelled() or done.exception())


def _works_for(task: asyncio.Task[Any], producer: AIOKafkaProducer) -> bool:
    """Return whether a producer started the task. It keeps no list; the task's `self` is its sender or accumulator."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    owner = frame.f_locals.get("self") if frame is not None else None
    return owner is not None and (owner is producer._sender or owner is producer._message_accumulator)  # noqa: SLF001
