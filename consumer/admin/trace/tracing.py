"""A trace: reads what the topics hold of one article, then looks its files up in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace

from consumer.admin.trace.files import look_up_files
from consumer.admin.trace.group import view_group
from consumer.admin.trace.scan import TopicScan
from consumer.admin.trace.search import TraceQuery, TraceSearch, trace_topics
from consumer.admin.trace.timeline import Timeline
from consumer.kafka.admin_client import open_admin, require_topics
from consumer.kafka.partition_reader import open_partition_reader
from consumer.settings import Settings


async def trace(settings: Settings, query: TraceQuery, share: Callable[[float], None]) -> Timeline:
    """Return everything known of an article, or of the article of a request.

    Reads in no group and writes nothing. `share` is told how much of the topics is read, from 0 to 1. Raises `BusError`
    when no broker answers, `Fatal` if a topic is missing or there is too much to read in the time.
    """
    async with AsyncExitStack() as stack:
        counts = await require_topics(settings.kafka, trace_topics(settings))
        admin = await stack.enter_async_context(open_admin(settings.kafka))
        group = await view_group(settings, admin)  # before the outcomes: what it has finished is announced by then
        reader = await stack.enter_async_context(open_partition_reader(settings.kafka))
        scan = TopicScan(reader, query.since_ms, asyncio.get_running_loop().time() + query.seconds, share)
        timeline = await TraceSearch(settings, counts, group, scan, query).run()
    return replace(timeline, store=await look_up_files(settings.storage, timeline, verify=query.verify))
