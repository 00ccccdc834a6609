"""Figures in words."""

from consumer.dev.simulate.result import SimulationResult
from consumer.dev.simulate.search import FleetSearch
from consumer.dev.simulate.when import spelled
from consumer.jobs import Lane

LANE_HEAD = ("lane", "asked", "done", "wait p50", "p99", "longest", "passed over for at most")
TRY_HEAD = ("GPUs", "utilisation", "interactive wait p99", "backfill drained after", "verdict")


def percent(share: float) -> str:
    """Return a share in percent, a small one with one more digit."""
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def counted(number: float) -> str:
    """Return a whole number with its thousands separated."""
    return f"{number:,.0f}".replace(",", " ")


def asked(result: SimulationResult) -> tuple[str, ...]:
    """Return the scenario in two sentences, defaults included."""
    fleet, load, pace = result.fleet, result.scenario.load, result.fleet.pace
    shared = f"up to {pace.batch} per step, full steps are {pace.speedup:g} times as fast"
    gpus = f"{counted(fleet.gpus)} GPU(s) in {counted(fleet.workers)} worker(s)"
    saves = f"{counted(load.saves_a_day)} saves a day, {load.interactive:.0%} interactive"
    peak = f"the busiest hour {load.peak:g} times the mean"
    article = "1 picture each" if load.pictures == 1 else f"{load.pictures} pictures each"
    share = shared if pace.batch > 1 else "one picture at a time"
    return (
        f"{gpus}; {pace.seconds:g} s per picture of {pace.steps} steps alone, {share}.",
        f"{saves}, {peak}; backfill of {counted(load.backfill)} articles; {article}.",
    )


def lanes(result: SimulationResult) -> list[tuple[str, ...]]:
    """Return the rows of the table of lanes."""
    rows = []
    for lane, tally in result.tally.lanes.items():
        if tally.asked:
            over = f"{_steps(tally.passed_over_steps)}, {spelled(tally.passed_over_seconds)}"
            waits = (spelled(tally.quantile(share)) for share in (0.5, 0.99, 1.0))
            rows.append((lane.value, counted(tally.asked), counted(tally.done), *waits, over))
    return rows


def findings(result: SimulationResult) -> list[tuple[str, str]]:
    """Return the findings, each with its name."""
    tally, load = result.tally, result.scenario.load
    found = [
        ("a wait", f"time until painted, less the {result.fleet.pace.seconds:g} s that a picture takes alone"),
        ("utilisation", f"{percent(tally.utilisation)} over {spelled(tally.seconds)}"),
        (
            "saves alone",
            f"{percent(result.needed)} of the GPUs over the day, {percent(result.busiest)} in the busiest hour",
        ),
    ]
    if load.backfill:
        found += [("backfill", _drain(result)), ("starvation", _starvation(result))]
    found += [("not done", _left(result))] if any(lane.done < lane.asked for lane in tally.lanes.values()) else []
    if result.busiest >= 1:
        wait = spelled(result.forecast.longest_wait)
        found.append(("backlog", f"the busiest hours need more than the capacity: waits of up to {wait} (formula)"))
    if result.fleet.workers > 1:
        count, weakest = result.fleet.workers, result.fleet.worker(0).gpus
        if weakest * count < result.fleet.gpus:
            found.append(
                ("workers", f"some have {weakest} GPUs, some {weakest + 1}, for equal loads: the weakest decide")
            )
        found.append(("partitions", f"equal loads need a multiple of {count} (LEADART_TOPICS__PARTITIONS)"))
    return found + [("how", sentence) for sentence in result.notes]


def _drain(result: SimulationResult) -> str:
    if result.drained is not None:
        by = "" if result.drain_seen else " (formula)"
        return f"drained after {spelled(result.drained)}{by}"
    lane = result.tally.lanes[Lane.BACKFILL]
    formula = result.forecast.drained
    then = "not within a year" if formula is None else f"after {spelled(formula)}"
    return f"not drained: {counted(lane.done)} of {counted(lane.asked)} articles done; formula: {then}"


def _starvation(result: SimulationResult) -> str:
    lane, bound = result.tally.lanes[Lane.BACKFILL], result.fleet.starvation_steps
    waited = f"{_steps(lane.passed_over_steps)} of others ({spelled(lane.passed_over_seconds)})"
    return f"between two of its steps a backfill picture waited for at most {waited}; the bound is {bound} steps"


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _left(result: SimulationResult) -> str:
    parts = [
        f"{lane.value} {counted(tally.asked - tally.done)}, waiting up to {spelled(tally.oldest)}"
        for lane, tally in result.tally.lanes.items()
        if tally.done < tally.asked
    ]
    return "; ".join(parts)


def tries(found: FleetSearch) -> list[tuple[str, ...]]:
    """Return the rows of the table of trials."""
    rows: list[tuple[str, ...]] = []
    if found.ruled_out:
        gpus, why = found.ruled_out
        rows.append((counted(gpus), "-", "-", "-", f"{why} (formula)"))
    for one in found.tries:
        result = one.result
        waits = result.tally.lanes[Lane.INTERACTIVE] if result.tally.lanes[Lane.INTERACTIVE].asked else None
        wait = spelled(waits.quantile(0.99)) if waits else "-"
        drain = (
            spelled(result.drained) + ("" if result.drain_seen else " (formula)")
            if result.scenario.load.backfill
            else "-"
        )
        verdict = "; ".join(one.missed) or "enough"
        rows.append((counted(result.fleet.gpus), percent(result.tally.utilisation), wait, drain, verdict))
    return rows


def verdict(found: FleetSearch) -> str:
    """Return the sentence below the table of trials."""
    if found.best:
        return f"Enough: {counted(found.best.result.fleet.gpus)} GPU(s)."
    why = "urgent pictures share steps with others, up to the batch size; a smaller batch size shortens their waits"
    most = counted(max(one.result.fleet.gpus for one in found.tries))
    return f"Not enough: up to {most} GPU(s) were tried, and more help little, because {why}."
