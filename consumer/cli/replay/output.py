"""What `leadart replay` prints: the plan, what was done, how to continue."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from consumer.cli.shared import complain, lay_out, printable, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumer.admin.replay.plan import ReplayPlan
    from consumer.admin.replay.publish import ReplayReport
    from consumer.admin.replay.selection import ReplaySpec
    from consumer.admin.replay.source import RangeSurvey

_NAMED = 5
"""Records named on a terminal; `--json` names more."""


def print_plan(plan: ReplayPlan, resume: str, *, as_json: bool) -> None:
    """Print what would be done."""
    if as_json:
        print(json.dumps({"executed": False, **plan.as_json(), "execute": resume}))
        return
    say(f"replay {plan.spec.id} of {plan.spec.range.topic} into {plan.lane}")
    _print_table(plan)
    for line in _lines(plan):
        say(line)
    _print_named("invalid", plan.survey.invalid)
    _print_named("unpaintable", plan.reuse.unpaintable if plan.reuse else [])
    if plan.survey.chosen:
        say("dry run: nothing was published; to publish, now or later:")
        say(f"  {resume}")


def _print_table(plan: ReplayPlan) -> None:
    rows = list(plan.rows())
    if not rows:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*map(str, row.values()))
    lay_out(table)


def _lines(plan: ReplayPlan) -> Iterator[str]:
    facts, survey = plan.as_json(), plan.survey
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(survey.reasons.items()))
    yield f"{facts['read']} records read, {facts['valid']} of them valid requests{f' ({reasons})' if reasons else ''}"
    if survey.decisions:
        yield f"{survey.decisions} decisions of editors are left out: they hold anyway, and are never replayed"
    yield f"newest of their article and slot: {facts['newest']}; chosen: {survey.chosen}"
    if plan.reuse is None:
        yield f"already made: unknown. {plan.unknown}"
    else:
        unpaintable = plan.reuse.total("unpaintable")
        to_make = f"{facts['to_make']} ({facts['pictures_to_make']} pictures)"
        beside = f"; cannot be painted: {unpaintable}" if unpaintable else ""
        yield f"already made, at no cost: {facts['made']}; to make: {to_make}{beside}"
    yield from _cost(plan)
    if plan.waiting:
        yield f"{plan.waiting} records are waiting in the lane ahead of these"


def _cost(plan: ReplayPlan) -> Iterator[str]:
    cost, gpu_seconds = plan.cost, plan.cost.gpu_seconds(plan.pictures_to_make)
    if cost.picture_seconds is None:
        yield "GPU-hours and duration: unknown, because no recent outcome was painted (use --picture-seconds)"
    elif gpu_seconds is not None:
        basis = f"median of {cost.outcomes} outcomes" if cost.outcomes else "as given"
        eta = cost.eta(plan.pictures_to_make, plan.survey.chosen) or 0.0
        devices = "1 device" if cost.devices == 1 else f"{cost.devices} devices"
        yield (
            f"{gpu_seconds / 3600:.3g} GPU-hours at {cost.picture_seconds:.2f} s per picture ({basis}), one at a time; "
            f"about {duration(eta)} on {devices}"
        )


def duration(seconds: float) -> str:
    """Format a duration in its two largest units."""
    left = round(seconds)
    parts = [(left // 86_400, "d"), (left // 3600 % 24, "h"), (left // 60 % 60, "min"), (left % 60, "s")]
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0 s"


def _print_named(what: str, records: Sequence[tuple[str, str]]) -> None:
    for at, why in records[:_NAMED]:
        say(f"{what} {at}: {printable(why)}")
    if len(records) > _NAMED:
        say(f"more are {what}: the plan names them with --json")


def print_start(spec: ReplaySpec, survey: RangeSurvey, resume: str, *, as_json: bool) -> None:
    """Print, before anything is published, how to continue should the run be cut off."""
    if as_json:
        return
    if survey.chosen:
        say(f"replay {spec.id}: {survey.chosen} records; if it is interrupted, continue with:")
        say(f"  {resume}")
    _print_named("invalid", survey.invalid)


def print_report(spec: ReplaySpec, report: ReplayReport, *, as_json: bool) -> None:
    """Print what was done."""
    if as_json:
        facts = {name: fact for name, fact in asdict(report).items() if name != "refusals"}
        refusals = [{"at": at, "why": why} for at, why in report.refusals]
        print(json.dumps({"executed": True, "replay_id": spec.id, **facts, "refusals": refusals}))
        return
    say(f"{report.published} published")
    if report.already:
        say(f"{report.already} already in the lane, from this replay")
    if report.decisions:
        say(f"{report.decisions} decisions of editors left out: they are never replayed")
    if report.gone:
        say(f"{report.gone} deleted from their topic meanwhile")
    for at, why in report.refusals:
        complain(f"{at}: {why}.")


def print_interrupted(resume: str) -> None:
    """Print what Ctrl-C left behind."""
    sentence = (
        f"What went through is in the lane; continue, without duplicates, with: {resume}" if resume else "Run it again."
    )
    complain(f"Stopped. {sentence}")
