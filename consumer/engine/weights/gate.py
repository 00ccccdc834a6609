"""The gate itself: a checkpoint is let in if it is the whole model and nothing else, or a part of it on purpose.

The origin stripped one prefix and loaded what fitted, leniently: a checkpoint in ComfyUI's layout replaced 0 % of the
model, or a third of its tensors, and no error told of it.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from consumer.engine.weights import layout
from consumer.engine.weights.adapter_gate import examine_adapter
from consumer.engine.weights.folder import visible
from consumer.engine.weights.lora import is_lora
from consumer.engine.weights.payload import not_finite
from consumer.engine.weights.problems import dtype_problems, not_finite_problem, problem
from consumer.engine.weights.refusal import PICKLED, refused, some
from consumer.engine.weights.report import ShapeMismatch, WeightsReport, coverage_by_block
from consumer.engine.weights.source import check_own_weights, model_shapes, read_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumer.engine.weights.layout import TensorMapping, TensorSlice
    from consumer.engine.weights.report import WeightsProblem
    from consumer.engine.weights.source import WeightsSource
    from consumer.settings import EngineSettings

    Shapes = Mapping[str, tuple[int, ...]]


def examine_custom_weights(settings: EngineSettings) -> list[str]:
    """Examine the headers of the house's checkpoint and adapters beside the model's; return a sentence for each.

    No payload is read and no SHA-256 compared. Raises Fatal at the first file that would not be loaded.
    """
    if settings.model is None or (settings.weights is None and settings.adapters is None):
        return []
    check_own_weights(settings.model)
    shapes, told = model_shapes(settings.model), []
    if settings.weights is not None:
        report = examine_checkpoint(read_source(settings.weights), shapes, overlay=settings.overlay)
        require_accepted(report)
        told.append(f"{settings.weights} covers {report.had} of the model's {report.wanted} tensors")
    for file in adapter_files(settings.adapters):
        report = examine_adapter(read_source(file), shapes)
        require_accepted(report)
        told.append(f"{file} is a LoRA, all {report.wanted} tensors of which take effect")
    return told


def adapter_files(place: Path | None) -> list[Path]:
    """Return the LoRA files of a folder in the order of their names, or the one that it is; none for None.

    Raises Fatal, also for a name that no style could say.
    """
    if place is None:
        return []
    if not place.exists():
        raise refused(place, "is not there", "Set LEADART_ENGINE__ADAPTERS to a folder of LoRA files, or to one.")
    seen = visible(place) if place.is_dir() else [place]
    for file in seen:
        if file.suffix.lower() in PICKLED:
            raise refused(file, "is pickled, which may run code, so it was not read", "Convert or remove it.")
    files = [file for file in seen if file.suffix == ".safetensors"]
    if not files:
        what = "holds no .safetensors file" if place.is_dir() else "is no .safetensors file"
        raise refused(place, what, "Name LoRA files in safetensors, or unset LEADART_ENGINE__ADAPTERS.")
    for file in files:
        if not file.stem.isprintable():
            raise refused(file, "has a name that cannot be printed", "Rename it: styles and events name it by that.")
    return files


def require_accepted(report: WeightsReport) -> None:
    """Raise Fatal unless the file is accepted, with the first problem and the command that shows all of them."""
    if report.accepted:
        return
    first = report.problems[0]
    more = f" ({len(report.problems) - 1} more)" if len(report.problems) > 1 else ""
    flag = " --as lora" if report.kind == "adapter" else ""
    command = f"leadart doctor weights {shlex.quote(report.path)}{flag}"
    raise refused(Path(report.path), f"{first.what}{more}", f"{first.remedy} See: {command}")


def examine_checkpoint(
    source: WeightsSource, shapes: Shapes, *, overlay: bool = False, payload: bool = False
) -> WeightsReport:
    """Compare a checkpoint with the model's shapes; with `payload`, read all of it for values that are no numbers."""
    planned = layout.map_tensors(source.tensors)
    unexpected = sorted({part.source for name in planned.parts.keys() - shapes.keys() for part in planned.parts[name]})
    claimed = {name: parts for name, parts in planned.parts.items() if name in shapes}
    mismatched = tuple(_mismatches(source, claimed, shapes))
    had = claimed.keys() - {each.name for each in mismatched}
    used = sorted({claimed[name][0].source for name in had})
    report = WeightsReport(
        path=str(source.path),
        kind="base",
        layout=planned.layout,
        prefixes=planned.prefixes,
        dtypes=dict(Counter(tensor.dtype for tensor in source.tensors.values())),
        wanted=len(shapes),
        had=len(had),
        blocks=coverage_by_block(shapes, had),
        missing=tuple(sorted(shapes.keys() - claimed.keys())),
        unexpected=tuple(unexpected),
        mismatched=mismatched,
        twice=tuple(sorted(name for name, parts in claimed.items() if len(parts) > 1)),
        ignored=planned.junk,
        not_finite=not_finite({name: source.tensors[name] for name in used}) if payload else (),
        payload=payload,
    )
    return replace(report, problems=tuple(_problems(report, source, overlay=overlay)))


def used_parts(planned: TensorMapping, shapes: Shapes) -> dict[str, TensorSlice]:
    """Return where each tensor of the model comes from, of a checkpoint that was accepted."""
    return {name: parts[0] for name, parts in planned.parts.items() if name in shapes}


def _mismatches(
    source: WeightsSource, claimed: Mapping[str, tuple[TensorSlice, ...]], shapes: Shapes
) -> Iterator[ShapeMismatch]:
    for name in sorted(claimed):
        for part in claimed[name]:
            shape = source.tensors[part.source].shape
            if part.third is not None and shape and shape[0] % 3 == 0:
                shape = (shape[0] // 3, *shape[1:])
            if shape != shapes[name]:
                yield ShapeMismatch(name, shapes[name], shape)


def _problems(report: WeightsReport, source: WeightsSource, *, overlay: bool) -> Iterator[WeightsProblem]:
    """Say what is wrong, the cause before its consequences."""
    if is_lora(source.tensors):
        yield problem("is a LoRA, not a checkpoint", "Put it into the folder that LEADART_ENGINE__ADAPTERS names.")
        return
    if other := layout.family(source.tensors):
        yield problem(f"holds the weights of another model ({other})", "Use a checkpoint of Z-Image's transformer.")
        return
    yield from dtype_problems(source)
    if report.twice:
        yield problem(f"has two tensors for {some(report.twice)}", "Save it anew in one layout, under one prefix.")
    if report.mismatched:
        names = some(each.name for each in report.mismatched)
        yield problem(f"has other shapes than the model: {names}", "Use a checkpoint of this very model.")
    if report.unexpected:
        what = f"has {len(report.unexpected)} tensors that the model has not: {some(report.unexpected)}"
        yield problem(what, "Save the transformer alone, in one of the layouts of docs/operations/weights.md.")
    if report.not_finite:
        yield not_finite_problem(report.not_finite)
    if not report.had or (report.missing and not overlay):
        what = f"covers {report.had} of the model's {report.wanted} tensors; missing: {some(report.missing)}"
        yield problem(what, "Complete it; if it is partial on purpose, set LEADART_ENGINE__OVERLAY=true.")
