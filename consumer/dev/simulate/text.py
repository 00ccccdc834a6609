"""Figures in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.jobs import Lane

if TYPE_CHECKING:
    from consumer.dev.simulate.answer import SimulationResult
    from consumer.dev.simulate.search import FleetSearch

LANE_HEAD = ("lane", "asked", "done", "wait p50", "p99", "longest", "passed over for at most")
TRY_HEAD = ("GPUs", "utilisation", "interactive wait p99", "backfill drained after", "verdict")


def spelled(seconds: float | None) -> str:
    """Write a span: three digits below a minute, else its two largest units."""
    if seconds is None:
        return "-"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.2f} s"
    if seconds < 3599.5:
        return _two(seconds, 60, "min", 1, "s")
    return _two(seconds, 3600, "h", 60, "min") if seconds < 604_800 else _two(seconds, 86_400, "d", 3600, "h")


def _two(seconds: float, large: int, name: str, small: int, below: str) -> str:
    count, rest = divmod(round(seconds / small) * small, large)
    return f"{count} {name} {rest // small} {below}" if rest else f"{count} {name}"


def percent(share: float) -> str:
    """Write a share in percent, small ones with a digit more."""
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def counted(number: float) -> str:
    """Write a whole number, thousands apart."""
    return f"{number:,.0f}".replace(",", " ")


def asked(got: SimulationResult) -> tuple[str, ...]:
    """Return the question in two sentences: a figure that was left at its default is told too."""
    fleet, load, pace = got.fleet, got.question.load, got.fleet.pace
    shared = f"up to {pace.batch} share a step, full steps paint {pace.speedup:g} times as many"
    gpus = f"{counted(fleet.gpus)} GPU(s) in {counted(fleet.workers)} worker(s)"
    saves = f"{counted(load.saves_a_day)} saves a day, {load.interactive:.0%} interactive"
    peak = f"the busiest hour {load.peak:g} times the mean"
    article = "1 picture each" if load.pictures == 1 else f"{load.pictures} pictures each"
    share = shared if pace.batch > 1 else "one picture at a time"
    return (
        f"{gpus}; {pace.seconds:g} s per picture of {pace.steps} steps alone, {share}.",
        f"{saves}, {peak}; backfill of {counted(load.backfill)} articles; {article}.",
    )


def lanes(got: SimulationResult) -> list[tuple[str, ...]]:
    """Return the rows of the table of lanes."""
    rows = []
    for lane, tally in got.tally.lanes.items():
        if tally.asked:
            over = f"{tally.passed_over_steps} steps, {spelled(tally.passed_over_seconds)}"
            waits = (spelled(tally.quantile(share)) for share in (0.5, 0.99, 1.0))
            rows.append((lane.value, counted(tally.asked), counted(tally.done), *waits, over))
    return rows


def findings(got: SimulationResult) -> list[tuple[str, str]]:
    """Return what came out, each finding under its name."""
    tally, load = got.tally, got.question.load
    found = [
        ("a wait", f"until painted, less the {got.fleet.pace.seconds:g} s that a picture takes alone"),
        ("utilisation", f"{percent(tally.utilisation)} over {spelled(tally.seconds)}"),
        ("saves alone", f"{percent(got.needed)} of the GPUs over the day, {percent(got.busiest)} in the busiest hour"),
    ]
    if load.backfill:
        found += [("backfill", _drain(got)), ("starvation", _starvation(got))]
    found += [("not done", _left(got))] if any(lane.done < lane.asked for lane in tally.lanes.values()) else []
    if got.busiest >= 1:
        wait = spelled(got.course.longest_wait)
        found.append(
            ("backlog", f"the busiest hours bring more than can be painted: up to {wait} of waiting (formula)")
        )
    if got.fleet.workers > 1:
        count, weakest = got.fleet.workers, got.fleet.worker(0).gpus
        if weakest * count < got.fleet.gpus:
            found.append(
                ("workers", f"equal shares of the load for {weakest} and for {weakest + 1} GPUs: the fewest decide")
            )
        found.append(("partitions", f"equal shares need a multiple of {count} (LEADART_TOPICS__PARTITIONS)"))
    return found + [("how", sentence) for sentence in got.told]


def _drain(got: SimulationResult) -> str:
    if got.drained is not None:
        by = "" if got.drain_seen else " (formula)"
        return f"drained after {spelled(got.drained)}{by}"
    lane = got.tally.lanes[Lane.BACKFILL]
    formula = got.course.drained
    then = "not within a year" if formula is None else f"after {spelled(formula)}"
    return f"not drained: {counted(lane.done)} of {counted(lane.asked)} articles done; by the formula {then}"


def _starvation(got: SimulationResult) -> str:
    lane, bound = got.tally.lanes[Lane.BACKFILL], got.fleet.starvation_steps
    waited = f"{lane.passed_over_steps} steps of others ({spelled(lane.passed_over_seconds)})"
    return f"between two of its steps a backfill picture at a GPU waited for {waited} at most; the bound is {bound}"


def _left(got: SimulationResult) -> str:
    parts = [
        f"{lane.value} {counted(tally.asked - tally.done)}, waiting for up to {spelled(tally.oldest)}"
        for lane, tally in got.tally.lanes.items()
        if tally.done < tally.asked
    ]
    return "; ".join(parts)


def tries(found: FleetSearch) -> list[tuple[str, ...]]:
    """Return the rows of the table of tries."""
    rows: list[tuple[str, ...]] = []
    if found.ruled_out:
        gpus, why = found.ruled_out
        rows.append((counted(gpus), "-", "-", "-", f"{why} (formula)"))
    for one in found.tries:
        got = one.got
        waits = got.tally.lanes[Lane.INTERACTIVE] if got.tally.lanes[Lane.INTERACTIVE].asked else None
        wait = spelled(waits.quantile(0.99)) if waits else "-"
        drain = spelled(got.drained) + ("" if got.drain_seen else " (formula)") if got.question.load.backfill else "-"
        verdict = "; ".join(one.missed) or "enough"
        rows.append((counted(got.fleet.gpus), percent(got.tally.utilisation), wait, drain, verdict))
    return rows


def verdict(found: FleetSearch) -> str:
    """Return the sentence under the table of tries."""
    if found.best:
        return f"Enough: {counted(found.best.got.fleet.gpus)} GPU(s)."
    why = "urgent pictures share their steps with others, up to the batch size: a smaller one shortens their waits"
    most = counted(max(one.got.fleet.gpus for one in found.tries))
    return f"Not enough: up to {most} GPU(s) were tried. More help little: {why}."
