"""`leadart doctor`, and `leadart doctor weights` for a file of weights."""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.shared import AsJson, EnvFile, complain, console, printable, say, settings_from
from consumer.errors import Fatal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.engine.weights.report import WeightsReport
    from consumer.settings import EngineSettings

_LISTED = 12

commands = typer.Typer(invoke_without_command=True)


class WeightsKind(StrEnum):
    """What to load a file of weights as."""

    BASE = "base"
    LORA = "lora"


WeightsFile = Annotated[Path, typer.Argument(help="Checkpoint or LoRA: a file, a folder or an index of shards.")]
Model = Annotated[Path | None, typer.Option(help="Folder of the Z-Image pipeline (default: LEADART_ENGINE__MODEL).")]
As = Annotated[WeightsKind, typer.Option("--as", help="What to load it as.")]
Overlay = Annotated[bool, typer.Option("--overlay", help="Accept a checkpoint with only some of the tensors.")]


@commands.callback()
def doctor(context: typer.Context, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """Check styles, model, store, topics and group; exit status 1 if a delivery promise would not hold."""
    if context.invoked_subcommand:
        if env_file or as_json:
            raise typer.BadParameter(f"write --env-file and --json after `{context.invoked_subcommand}`")
        return
    from consumer.admin.doctor import CheckStatus, run_checks

    results = asyncio.run(run_checks(settings_from(env_file)))
    if as_json:
        print(json.dumps([{"subject": one.subject, "verdict": one.status, "message": one.message} for one in results]))
    else:
        colours = {CheckStatus.OK: "green", CheckStatus.WARNING: "yellow", CheckStatus.FAILURE: "red"}
        for one in results:
            line = f"{one.status:8} {one.subject:12} {one.message}"
            console.print(line, style=colours[one.status], soft_wrap=True)
    raise typer.Exit(any(one.status is CheckStatus.FAILURE for one in results))


@commands.command("weights")
def doctor_weights(
    file: WeightsFile,
    model: Model = None,
    as_: As = WeightsKind.BASE,
    overlay: Overlay = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare a file of weights with the model, tensor by tensor; exit status 0 only if the worker would load it.

    Every byte is read, nothing is loaded onto a device. The settings `overlay` and `weights_sha256` apply here too.
    """
    settings = settings_from(env_file).engine
    folder = model or settings.model
    if folder is None:
        complain("Name the model to compare with: --model FOLDER, or LEADART_ENGINE__MODEL.")
        raise typer.Exit(2)
    settings = settings.model_copy(update={"overlay": overlay or settings.overlay})
    try:
        report, sha256 = _examine(file, folder, as_, settings)
    except (Fatal, OSError) as error:
        _refuse(error, file, as_json=as_json)
        raise typer.Exit(1) from error
    if as_json:
        print(json.dumps({**report.as_json(), "sha256": sha256}))
    else:
        _print(report, sha256)
    raise typer.Exit(not report.accepted)


def _examine(file: Path, model: Path, as_: WeightsKind, settings: EngineSettings) -> tuple[WeightsReport, str]:
    """Return the report and the file's SHA-256. Raises `Fatal` and `OSError` for what cannot be compared."""
    from consumer.engine.weights import check_folder
    from consumer.engine.weights.adapter_gate import examine_adapter
    from consumer.engine.weights.gate import examine_checkpoint
    from consumer.engine.weights.identity import verified_sha256
    from consumer.engine.weights.source import check_own_weights, model_shapes, read_source

    shapes, source = model_shapes(model), read_source(file)
    if as_ is WeightsKind.LORA:
        sha256, report = verified_sha256(file, None), examine_adapter(source, shapes, payload=True)
    else:
        sha256 = verified_sha256(file, settings.weights_sha256)
        report = examine_checkpoint(source, shapes, overlay=settings.overlay, payload=True)
    if report.accepted:
        check_folder(model)
        check_own_weights(model)
    return report, sha256


def _refuse(error: Fatal | OSError, file: Path, *, as_json: bool) -> None:
    """Report a file that cannot be read as weights, as JSON or as a sentence."""
    message = error.message if isinstance(error, Fatal) else f"{file} cannot be read: {error.strerror}"
    if as_json:
        print(json.dumps({"path": str(file), "accepted": False, "problems": [{"what": message, "remedy": ""}]}))
    else:
        complain(message)


def _print(report: WeightsReport, sha256: str) -> None:
    """Print what the file is, its coverage by block, each kind of deviation by name, and the verdict."""
    from consumer.engine.weights.report import merge_equal_blocks

    kind = "checkpoint" if report.kind == "base" else "LoRA"
    prefixes = ", ".join(prefix or "none" for prefix in report.prefixes)
    dtypes = ", ".join(f"{dtype} ({count})" for dtype, count in sorted(report.dtypes.items()))
    say(f"file         {printable(report.path)}")
    say(f"sha256       {sha256}")
    say(f"as           {kind}, layout: {report.layout}, prefix: {prefixes}, dtypes: {dtypes}")
    of = "of the model's tensors" if report.kind == "base" else "of its tensors take effect"
    say(f"coverage     {report.had} {of}, {report.wanted} in all: {_percent(report)}")
    for title, block in merge_equal_blocks(report.blocks):
        each = "" if title == block.name else " each"
        say(f"  {title:26} {block.had:4} of {block.wanted}{each}")
    _list("missing", report.missing)
    _list("unexpected", report.unexpected)
    shapes = (f"{each.name}: model {list(each.model)}, file {list(each.file)}" for each in report.mismatched)
    _list("shapes", tuple(shapes))
    _list("twice", report.twice)
    _list("not finite", report.not_finite)
    _list("no effect", report.idle)
    _list("not used", report.ignored)
    for problem in report.problems:
        say(f"problem      it {printable(problem.what)}")
        say(f"  remedy     {printable(problem.remedy)}")
    say("verdict      the worker would load it" if report.accepted else "verdict      refused")


def _percent(report: WeightsReport) -> str:
    """Return the coverage, rounded down: only a whole is 100 %."""
    return f"{int(report.coverage * 1000) / 10:g} %"


def _list(title: str, names: Iterable[str]) -> None:
    every = list(names)
    for name in every[:_LISTED]:
        say(f"{title:12} {printable(name)}")
    if len(every) > _LISTED:
        say(f"{title:12} and {len(every) - _LISTED} more; --json lists all")
