"""The report of `leadart bench delivery`."""

from consumer.dev.bench.delivery_result import DELIVERY_BAR, DeliveryResult, DeliverySide
from consumer.dev.bench.engine.plan import order
from consumer.dev.bench.reporting import BenchReport, Rows, markdown_table, met, spread
from consumer.dev.bench.site import ENGINE_WINDOW

_NAMES = {DeliverySide.LEADART: "leadart", DeliverySide.FASTSTREAM: "FastStream"}


def delivery_report(result: DeliveryResult) -> BenchReport:
    """Return the report of a run; it passed if leadart kept its promise of one outcome."""
    turns = ("Round", "First", *(f"{_NAMES[side]}, events/s" for side in DeliverySide), "Ratio")
    return BenchReport(
        name="leadart bench delivery",
        title="Delivery beside FastStream",
        verdict=_verdict(result),
        figures=result.as_json(),
        passed=result.promise_kept,
        head=("", *(_NAMES[side] for side in DeliverySide)),
        rows=_rows(result),
        sections=["## Turn by turn", markdown_table(turns, _turns(result))],
        machine=result.machine,
        explanation=_explained(result),
    )


def _rows(result: DeliveryResult) -> Rows:
    """Return the comparison: name, leadart's figure, FastStream's."""
    return [
        ("events/s, median", *(f"{result.speed(side):,.0f}" for side in DeliverySide)),
        ("events/s, slowest to fastest turn", *(spread(result.speeds(side), ",.0f") for side in DeliverySide)),
        ("latency in ms, p50", *(f"{result.percentile(side, 50):.1f}" for side in DeliverySide)),
        ("latency in ms, p99", *(f"{result.percentile(side, 99):.1f}" for side in DeliverySide)),
        ("bytes per outcome, with headers", *(str(_bytes(result, side)) for side in DeliverySide)),
        ("requests", *(f"{result.count(side).requests:,}" for side in DeliverySide)),
        ("requests without an outcome", *(str(result.count(side).missing) for side in DeliverySide)),
        ("duplicate outcomes", *(str(result.count(side).doubled) for side in DeliverySide)),
    ]


def _verdict(result: DeliveryResult) -> str:
    kept = "exactly one outcome for each request" if result.promise_kept else "the promise of one outcome BROKEN"
    bar = met(result.ratio >= DELIVERY_BAR)
    return f"leadart delivers {result.ratio:.2f} times FastStream's events/s (bar {DELIVERY_BAR:.0f}: {bar}), {kept}."


def _turns(result: DeliveryResult) -> Rows:
    pairs = zip(*(result.speeds(side) for side in DeliverySide), strict=True)
    return [
        (
            str(turn + 1),
            _NAMES[order(DeliverySide, turn)[0]],
            f"{ours:,.0f}",
            f"{theirs:,.0f}",
            f"{ours / theirs:.2f}",
        )
        for turn, (ours, theirs) in enumerate(pairs)
    ]


def _bytes(result: DeliveryResult, side: DeliverySide) -> int:
    return next(flood.bytes_each for flood in result.floods if flood.side is side)


def _explained(result: DeliveryResult) -> str:
    plan = result.plan
    return _EXPLANATION.format(
        events=f"{plan.events:,}",
        partitions=plan.partitions,
        rounds=plan.rounds,
        paced=plan.paced_events,
        pace=f"{plan.paced_per_second:g}",
        window=ENGINE_WINDOW,
        progress="on" if plan.progress else "off",
        logs="on" if plan.logs else "off",
    )


_EXPLANATION = """\
## What was done

One broker, one set of topics with {partitions} partitions each, {events} small valid requests waiting. In each of
{rounds} rounds both sides take turns at working off all of them, each in a process and a consumer group of its own; the
order alternates. A `read_committed` subscriber keeps the time, from the first outcomes it sees to the last; the first
ones are not counted. Then requests come in at {pace} per second, {paced} per side and round; latency runs from the
record's LogAppendTime until that subscriber has the outcome.

- **leadart**: the whole worker: poll loop, shard owner, request handler, pipeline, admission, plan, outcome builder,
  metrics, health pages. Each outcome is in the transaction that commits its request's offset.
- **FastStream**: one handler with the default acknowledgement (the offset is committed first: a crash loses requests).
  It validates the same records with the same code and awaits one publish of an outcome as large as ours.

## What is left out

- No picture is painted, encoded or stored: the engine returns one black pixel at once, the encoder encodes nothing,
  the store is a dictionary. This measures delivery only.
- FastStream's handler makes no plan, no recipe and no outcome: it publishes bytes made beforehand.
- Logging of every request is {logs} on both sides.
- leadart's progress events are {progress} (they are not part of delivery, and the other side has none); its
  `LEADART_ENGINE__WINDOW` is {window}. All other settings are the defaults.
- One broker on the clients' machine, replication factor 1: no network, no second replica to wait for.

To run it yourself, with `leadart[bench,embedded]` installed:
"""
