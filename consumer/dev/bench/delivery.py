"""`leadart bench delivery`: how fast requests become visible outcomes when painting and storing cost nothing.

The worker and a FastStream handler take turns at the same records of the same topics on one broker.
"""

import asyncio
from collections.abc import Callable

from consumer.dev.bench.cms import publish_all, publish_paced, watching
from consumer.dev.bench.delivery_result import (
    DeliveryPlan,
    DeliveryResult,
    DeliverySide,
    LatencyTurn,
    OutcomeCount,
    ThroughputTurn,
)
from consumer.dev.bench.engine.plan import order
from consumer.dev.bench.machine import machine
from consumer.dev.bench.site import BenchSite, open_site, require_faststream
from consumer.kafka.topics import StartPosition

_WARM_UP_EVENTS = 10


async def measure_delivery(
    plan: DeliveryPlan, bootstrap_servers: str | None, report: Callable[[str], None]
) -> DeliveryResult:
    """Run the plan, reporting each turn. Cancelling ends every process.

    Raises `Fatal` when FastStream is not installed, a side ends by itself or its outcomes stop, `BusError` when no
    broker answers.
    """
    require_faststream()
    facts = machine("aiokafka", "faststream")
    async with open_site(plan, bootstrap_servers) as site:
        asked = await publish_all(site.settings, plan.events)
        report(f"{plan.events} requests waiting on {plan.partitions} partitions of {site.bus}")
        turns = [(side, turn) for turn in range(plan.rounds) for side in order(DeliverySide, turn)]
        floods = [await _flood(site, asked, side, turn, report) for side, turn in turns]
        paced = [await _paced(site, plan, side, turn, report) for side, turn in turns]
        return DeliveryResult(plan, {**facts, "bus": site.bus}, tuple(floods), tuple(paced))


async def _flood(
    site: BenchSite, asked: frozenset[str], side: DeliverySide, turn: int, report: Callable[[str], None]
) -> ThroughputTurn:
    """Let a side work off all waiting requests, timed from the first outcomes seen to the last."""
    async with watching(site.settings) as watcher:
        async with site.working(side, StartPosition.EARLIEST) as process:
            await watcher.until(len(asked), process.check)
        await watcher.to_the_end()
    seconds, per_second = watcher.throughput(len(asked))
    flood = ThroughputTurn(
        side=side,
        turn=turn,
        seconds=seconds,
        per_second=per_second,
        bytes_each=watcher.bytes_read // len(watcher.request_ids),
        count=OutcomeCount.of(asked, watcher.request_ids),
    )
    report(f"round {turn + 1}: {side} {flood.per_second:,.0f} events/s, {_counted(flood.count)}")
    return flood


async def _paced(
    site: BenchSite, plan: DeliveryPlan, side: DeliverySide, turn: int, report: Callable[[str], None]
) -> LatencyTurn:
    """Let a side answer requests that come in at a steady rate, after a few for warm-up."""
    async with watching(site.settings) as watcher:
        async with site.working(side, StartPosition.LATEST) as process:
            warm_up = await publish_all(site.settings, _WARM_UP_EVENTS)
            await watcher.until(len(warm_up), process.check)
            async with asyncio.TaskGroup() as both:
                total = len(warm_up) + plan.paced_events
                both.create_task(watcher.until(total, process.check))
                asking = both.create_task(publish_paced(site.settings, plan.paced_events, plan.paced_per_second))
        await watcher.to_the_end()
    appended = asking.result()
    seen = dict(zip(reversed(watcher.request_ids), reversed(watcher.times), strict=True))
    paced = LatencyTurn(
        side=side,
        turn=turn,
        milliseconds=tuple(1000 * (seen[request] - since) for request, since in appended.items()),
        count=OutcomeCount.of(warm_up | appended.keys(), watcher.request_ids),
    )
    middle = sorted(paced.milliseconds)[len(paced.milliseconds) // 2]
    report(f"round {turn + 1}: {side} {middle:.0f} ms from record to outcome, {_counted(paced.count)}")
    return paced


def _counted(count: OutcomeCount) -> str:
    return f"{count.requests} requests, {count.missing} without an outcome, {count.doubled} duplicate outcomes"
