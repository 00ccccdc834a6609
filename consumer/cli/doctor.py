"""`leadart doctor`, and `leadart doctor weights` for a file that the worker is to load."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.shared import AsJson, EnvFile, complain, console, say, settings_from
from consumer.errors import Fatal

if TYPE_CHECKING:
    from consumer.engine.weights.report import WeightsReport
    from consumer.settings import EngineSettings

commands = typer.Typer(invoke_without_command=True)


class WeightsKind(StrEnum):
    """What a file of weights is to be loaded as."""

    BASE = "base"
    LORA = "lora"


@commands.callback()
def doctor(context: typer.Context, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """Examine styles, model, store, topics and group; exit status 1 if a promise could not be kept."""
    if context.invoked_subcommand:
        if env_file or as_json:
            raise typer.BadParameter(f"write --env-file and --json behind `{context.invoked_subcommand}`")
        return
    from consumer.admin.checks import CheckStatus
    from consumer.admin.doctor import run_checks

    findings = asyncio.run(run_checks(settings_from(env_file)))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        colours = {CheckStatus.OK: "green", CheckStatus.WARNING: "yellow", CheckStatus.FAILURE: "red"}
        for finding in findings:
            line = f"{finding.verdict:8} {finding.subject:12} {finding.message}"
            console.print(line, style=colours[finding.verdict], markup=False, soft_wrap=True)
    raise typer.Exit(any(finding.verdict is CheckStatus.FAILURE for finding in findings))


@commands.command("weights")
def doctor_weights(
    file: Annotated[Path, typer.Argument(help="Checkpoint or LoRA: a file, a folder or an index of shards.")],
    model: Annotated[
        Path | None, typer.Option(help="Folder of the Z-Image pipeline; else LEADART_ENGINE__MODEL.")
    ] = None,
    as_: Annotated[WeightsKind, typer.Option("--as", help="What it is to be loaded as.")] = WeightsKind.BASE,
    overlay: Annotated[bool, typer.Option("--overlay", help="Accept a checkpoint that is partial on purpose.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare a file of weights with the model, tensor by tensor; exit status 0 only if the worker would load it.

    Every byte is read, nothing is loaded onto a device. The settings' `overlay` and `weights_sha256` hold here too.
    """
    from consumer.cli.weights import tell

    settings = settings_from(env_file).engine
    folder = model or settings.model
    if folder is None:
        complain("say with --model, or in LEADART_ENGINE__MODEL, which model the file is compared with.")
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
        tell(report, sha256, say)
    raise typer.Exit(not report.accepted)


def _examine(file: Path, model: Path, as_: WeightsKind, settings: EngineSettings) -> tuple[WeightsReport, str]:
    """Return the report and the file's SHA-256. Raises Fatal and OSError for what cannot be compared at all."""
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
        check_own_weights(model)
    return report, sha256


def _refuse(error: Fatal | OSError, file: Path, *, as_json: bool) -> None:
    """Tell of a file that is no file of weights, in either form."""
    told = error.message if isinstance(error, Fatal) else f"{file} cannot be read: {error.strerror}"
    if as_json:
        print(json.dumps({"path": str(file), "accepted": False, "problems": [{"what": told, "remedy": ""}]}))
    else:
        complain(told)
