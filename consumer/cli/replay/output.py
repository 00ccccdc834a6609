"""What `leadart replay` says: the plan, what was done, how to go on."""

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
    from consumer.admin.replay.source import Survey

_NAMED = 5
"""Records named on a terminal; `--json` names more."""


def plan(plan: ReplayPlan, resume: str, *, as_json: bool) -> None:
    """Tell what would be done."""
    if as_json:
        print(json.dumps({"executed": False, **plan.as_json(), "execute": resume}))
        return
    say(f"replay {plan.order.id} of {plan.order.extent.topic} into {plan.lane}")
    _table(plan)
    for line in _lines(plan):
        say(line)
    for what, told in (("invalid", plan.survey.told), ("unpaintable", plan.made.unpaintable if plan.made else [])):
        _name(what, told)
    if plan.survey.chosen:
        say("nothing was published; this does it, now or later:")
        say(f"  {resume}")


def _table(plan: ReplayPlan) -> None:
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
    told, survey = plan.as_json(), plan.survey
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(survey.reasons.items()))
    yield f"{told['read']} records read, {told['valid']} of them valid requests{f' ({reasons})' if reasons else ''}"
    yield f"newest of their article and slot: {told['newest']}; chosen: {survey.chosen}"
    if plan.made is None:
        yield f"already made: unknown. {plan.unknown}"
    else:
        unpaintable = plan.made.total("unpaintable")
        to_make = f"{told['to_make']}, which is {told['pictures_to_make']} pictures"
        beside = f"; cannot be painted: {unpaintable}" if unpaintable else ""
        yield f"already made, at no cost: {told['made']}; to make: {to_make}{beside}"
    yield from _cost(plan)
    if plan.waiting:
        yield f"{plan.waiting} records wait in the lane already, before these"


def _cost(plan: ReplayPlan) -> Iterator[str]:
    cost, gpu_seconds = plan.cost, plan.cost.gpu_seconds(plan.pictures_to_make)
    if cost.picture_seconds is None:
        yield "GPU-hours and duration: unknown, because no outcome of late was painted (--picture-seconds tells it)"
    elif gpu_seconds is not None:
        basis = f"median of {cost.outcomes} outcomes" if cost.outcomes else "as told"
        eta = cost.eta(plan.pictures_to_make, plan.survey.chosen) or 0.0
        devices = "1 device" if cost.devices == 1 else f"{cost.devices} devices"
        yield (
            f"{gpu_seconds / 3600:.3g} GPU-hours at {cost.picture_seconds:.2f} s a picture ({basis}), one at a time; "
            f"about {span(eta)} on {devices}"
        )


def span(seconds: float) -> str:
    """Write a duration in its two largest units."""
    left = round(seconds)
    parts = [(left // 86_400, "d"), (left // 3600 % 24, "h"), (left // 60 % 60, "min"), (left % 60, "s")]
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0 s"


def _name(what: str, told: Sequence[tuple[str, str]]) -> None:
    for at, why in told[:_NAMED]:
        say(f"{what} {at}: {printable(why)}")
    if len(told) > _NAMED:
        say(f"more that are {what}: the plan names them with --json")


def begins(order: ReplaySpec, survey: Survey, resume: str, *, as_json: bool) -> None:
    """Tell, before anything is published, how to go on should this be the last that is heard of it."""
    if as_json:
        return
    say(f"replay {order.id}: {survey.chosen} records; should it be cut off, this goes on:")
    say(f"  {resume}")
    _name("invalid", survey.told)


def done(order: ReplaySpec, report: ReplayReport, *, as_json: bool) -> None:
    """Tell what was done."""
    if as_json:
        facts = {name: fact for name, fact in asdict(report).items() if name != "refusals"}
        refusals = [{"at": at, "why": why} for at, why in report.refusals]
        print(json.dumps({"executed": True, "replay_id": order.id, **facts, "refusals": refusals}))
        return
    say(f"{report.published} published")
    if report.already:
        say(f"{report.already} were in the lane already, from this replay")
    if report.gone:
        say(f"{report.gone} are gone from their topic meanwhile")
    for at, why in report.refusals:
        complain(f"{at}: {why}.")


def interrupted(resume: str) -> None:
    """Tell what Ctrl-C left."""
    sentence = f"What went through is in the lane, and nothing is doubled by: {resume}" if resume else "Run it again."
    complain(f"Stopped. {sentence}")
