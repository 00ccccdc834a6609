"""Closing a producer in whatever state it is: bounded in time, without a socket or a task left behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

CLOSE_SECONDS = 3.0
"""Grace for an orderly close of a client before it is torn down."""


async def close_producer(producer: AIOKafkaProducer) -> None:
    """Close a producer in any state, within seconds, leaving neither sockets nor tasks.

    `stop()` flushes, and a flush waits for ever while the broker is away or once the producer is fenced; cancelling it
    leaves the sender's requests running, and they connect again. So they are ended one by one first.
    """
    _hush(producer)
    with suppress(TimeoutError, KafkaError, OSError, AssertionError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await producer.stop()
            return
    producer._closed = True  # noqa: SLF001 - told, so that its finalizer does not warn
    orphans = [task for task in asyncio.all_tasks() if _works_for(task, producer)]
    for task in orphans:
        task.cancel()
    if orphans:
        await asyncio.wait(orphans, timeout=CLOSE_SECONDS)
    with suppress(TimeoutError, KafkaError, OSError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await producer.client.close()


def _hush(producer: AIOKafkaProducer) -> None:
    """Take note of the error that ended a transaction: the epoch told it, but aiokafka's futures wait to be asked."""
    accumulator = producer._message_accumulator  # noqa: SLF001
    batches = chain(accumulator._pending_batches, *accumulator._batches.values())  # noqa: SLF001
    transaction = producer._txn_manager and producer._txn_manager._transaction_waiter  # noqa: SLF001
    for waiter in (transaction, *(batch._drain_waiter for batch in batches)):  # noqa: SLF001
        if waiter is not None:
            waiter.add_done_callback(lambda done: done.cancelled() or done.exception())


def _works_for(task: asyncio.Task[Any], producer: AIOKafkaProducer) -> bool:
    """True for the tasks that a producer started: coroutines of its sender and accumulator; it keeps no list itself."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    owner = frame.f_locals.get("self") if frame is not None else None
    return owner is not None and (owner is producer._sender or owner is producer._message_accumulator)  # noqa: SLF001
