"""`leadart policy`."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from consumer.cli.shared import (
    AsJson,
    EnvFile,
    complain,
    lay_out,
    parsed,
    printable,
    say,
    settings_from,
    share_bar,
    time_span,
)
from consumer.errors import Rejected
from consumer.settings.time_spans import say_time_span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.admin.policy_check import PolicyFinding
    from consumer.admin.policy_trial import PolicyTrial
    from consumer.admin.replay.selection import RangeEnd
    from consumer.processing.policy.decision import PolicyDecision
    from consumer.processing.policy.rules import Policy
    from consumer.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Editorial policy: which stories get which pictures.")

PolicyFile = Annotated[Path, typer.Argument(help="A policy.toml, or `newsroom` for the one that ships.")]
TriedFile = Annotated[
    Path | None, typer.Argument(help="The same; default: LEADART_POLICY__FILE, against no policy.", show_default=False)
]
Requests = Annotated[
    list[typer.FileBinaryRead],
    typer.Argument(help="JSON files with a request's data or a whole CloudEvent; - for stdin."),
]
Source = Annotated[str, typer.Option(help="CloudEvents source of requests whose file does not say.")]
SinceFirstSave = Annotated[
    timedelta,
    typer.Option(
        parser=time_span,
        metavar="SPAN",
        help="Time since the first save of the article and slot. [default: 0s]",
        show_default=False,
    ),
]
_END = "ISO 8601 with time zone, an age (36h, 7d), or offsets"
Since = Annotated[str, typer.Option(help=f"Start: {_END}.")]
Until = Annotated[str | None, typer.Option(help="End, written like --since and exclusive; default: now.")]


@commands.command("check")
def policy_check(
    policy: PolicyFile,
    requests: Requests,
    env_file: EnvFile = None,
    source: Source = "/policy-check",
    since_first_save: SinceFirstSave = timedelta(),
    as_json: AsJson = False,
) -> None:
    """Show which rule decides about each request, and why; exit status 1 if a file is no valid request."""
    from consumer.admin.policy_check import find

    rules = _load(policy, settings_from(env_file))
    wrong = False
    for file in requests:
        name = str(getattr(file, "name", "<stdin>"))
        try:
            finding = find(rules, file.read(), source, since_first_save.total_seconds())
        except Rejected as error:
            complain(f"{name}: {error.message} ({error.reason})")
            wrong = True
            continue
        if as_json:
            print(json.dumps({"file": name, **finding.as_json()}))
            continue
        for line in _told(name, finding):
            say(printable(line))
    raise typer.Exit(1 if wrong else 0)


@commands.command("try")
def policy_try(
    policy: TriedFile = None,
    since: Since = "7d",
    until: Until = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what a policy would have changed about past requests, against the one in force; nothing is written."""
    from consumer.admin.policy_trial import PolicyTrial, try_policy
    from consumer.processing.policy.rules import PAINT_EVERYTHING

    settings = settings_from(env_file)
    ends = _range_end(since), None if until is None else _range_end(until)
    in_force = settings.policy.file if policy else None
    tried = policy or settings.policy.file
    if tried is None:
        raise typer.BadParameter("name a policy file, or set LEADART_POLICY__FILE", param_hint="POLICY")
    trial = PolicyTrial(_load(in_force, settings) if in_force else PAINT_EVERYTHING, _load(tried, settings))
    with share_bar("reading") as watch:
        asyncio.run(try_policy(settings, trial, *ends, watch))
    if as_json:
        print(json.dumps(trial.as_json()))
        return
    _print_trial(trial)
    if policy and not in_force:
        say("LEADART_POLICY__FILE is not set here: if the workers have a policy, set it to theirs")


def _range_end(text: str) -> RangeEnd:
    from consumer.admin.replay.selection import RangeEnd

    return parsed(lambda end: RangeEnd.parse(end, datetime.now(UTC)), text)


def _load(file: Path, settings: Settings) -> Policy:
    from consumer.processing.policy import load_policy
    from consumer.processing.styles import load_styles

    return load_policy(file, load_styles(settings.styles.file))


def _told(name: str, finding: PolicyFinding) -> Iterator[str]:
    decision = finding.decision
    rule = f"rule {decision.rule}" if decision.rule else "no rule"
    yield f"{name}: {rule}: {', '.join(_effects(decision))}"
    if decision.rule:
        yield f"  because {' and '.join(finding.why) or 'the rule has no condition'}"
    if decision.message:
        yield f"  {decision.message}"


def _effects(decision: PolicyDecision) -> Iterator[str]:
    if decision.never:
        yield f"declined; older saves {'get their pictures' if decision.older == 'finish' else 'end'}"
        return
    if decision.needs_approval:
        yield f"held until an editor approves, for {say_time_span(timedelta(seconds=decision.approval_seconds))}"
    if decision.style:
        yield f"style {decision.style}"
    if decision.variants:
        yield f"{decision.variants} variants"
    if not (decision.needs_approval or decision.style or decision.variants):
        yield "painted as requested"
    if decision.settle_seconds:
        yield f"waits {decision.settle_seconds:g} s for a newer save, unless interactive"


def _print_trial(trial: PolicyTrial) -> None:
    facts = trial.as_json()
    before, after = facts["in_force"], facts["tried"]
    say(f"{facts['requests']} requests; in force: {before['version'] or 'no policy'}; tried: {after['version']}")
    table = Table("", "in force", "tried", box=None, pad_edge=False)
    for row in ("declined", "held", "pictures", "settled"):
        table.add_row(row, str(before[row]), str(after[row]))
    for rule in sorted({*before["rules"], *after["rules"]}):
        table.add_row(f"rule {rule}", *(str(side["rules"].get(rule, 0)) for side in (before, after)))
    lay_out(table)
    say(f"{facts['changed']} requests would end otherwise")
    for change in facts["changes"]:
        articles = ", ".join(change["articles"])
        say(printable(f"  {change['requests']}: {change['from']} -> {change['to']} ({articles})"))
