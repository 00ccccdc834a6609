"""The gate for checkpoints: a file is accepted if it is the whole transformer and nothing else, or partial on purpose.

Lenient loading, which strips one prefix and ignores what does not fit, replaces nothing of the model or 311 of its 521
tensors with a checkpoint in ComfyUI's layout, and reports no error: docs/operations/weights.md has the table.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from consumer.engine.weights.adapter_gate import Shapes, examine_adapter
from consumer.engine.weights.folder import visible
from consumer.engine.weights.layout import TensorMapping, TensorSlice, family, map_tensors
from consumer.engine.weights.lora import is_lora
from consumer.engine.weights.payload import not_finite
from consumer.engine.weights.refusal import PICKLED, doctor_command, refused, some
from consumer.engine.weights.report import (
    ShapeMismatch,
    WeightsProblem,
    WeightsReport,
    coverage_by_block,
    dtype_problems,
    not_finite_problem,
)
from consumer.engine.weights.source import WeightsSource, check_own_weights, model_shapes, read_source
from consumer.settings import EngineSettings


def examine_custom_weights(settings: EngineSettings) -> list[str]:
    """Compare the configured checkpoint and adapters with the model by their headers; return a sentence for each.

    Reads no payload and compares no SHA-256. Raises Fatal at the first file that would not be loaded.
    """
    if settings.model is None or (settings.weights is None and settings.adapters is None):
        return []
    check_own_weights(settings.model)
    shapes, sentences = model_shapes(settings.model), []
    if settings.weights is not None:
        report = examine_checkpoint(read_source(settings.weights), shapes, overlay=settings.overlay)
        require_accepted(report)
        sentences.append(f"{settings.weights} covers {report.had} of the model's {report.wanted} tensors")
    for file in adapter_files(settings.adapters):
        report = examine_adapter(read_source(file), shapes)
        require_accepted(report)
        sentences.append(f"{file} is a LoRA, all {report.wanted} tensors of which take effect")
    return sentences


def adapter_files(path: Path | None) -> list[Path]:
    """Return the LoRA files of a folder sorted by name, `[path]` for a file, [] for None.

    Raises Fatal, also for a name that no style could use.
    """
    if path is None:
        return []
    if not path.exists():
        raise refused(path, "is not there", "Set LEADART_ENGINE__ADAPTERS to a folder of LoRA files, or to one.")
    entries = visible(path) if path.is_dir() else [path]
    for file in entries:
        if file.suffix.lower() in PICKLED:
            raise refused(file, "is pickled, which may run code, so it was not read", "Convert or remove it.")
    files = [file for file in entries if file.suffix == ".safetensors"]
    if not files:
        what = "holds no .safetensors file" if path.is_dir() else "is not a .safetensors file"
        raise refused(path, what, "Name LoRA files in safetensors, or unset LEADART_ENGINE__ADAPTERS.")
    for file in files:
        if not file.stem.isprintable():
            raise refused(file, "has a name that cannot be printed", "Rename it: styles and events name it by that.")
    return files


def require_accepted(report: WeightsReport) -> None:
    """Raise Fatal unless the file is accepted, with the first problem and the command that lists all of them."""
    if report.accepted:
        return
    first = report.problems[0]
    more = f" ({len(report.problems) - 1} more)" if len(report.problems) > 1 else ""
    command = doctor_command(report.path, adapter=report.kind == "adapter")
    raise refused(Path(report.path), f"{first.what}{more}", f"{first.remedy} See: {command}")


def examine_checkpoint(
    source: WeightsSource, shapes: Shapes, *, overlay: bool = False, payload: bool = False
) -> WeightsReport:
    """Compare a checkpoint with the model's shapes; `payload` also reads every value, for NaN and infinity."""
    mapping = map_tensors(source.tensors)
    stray = [slices for name, slices in mapping.slices.items() if name not in shapes]
    claimed = {name: slices for name, slices in mapping.slices.items() if name in shapes}
    mismatched = tuple(_mismatches(source, claimed, shapes))
    covered = claimed.keys() - {mismatch.name for mismatch in mismatched}
    used = sorted({claimed[name][0].source for name in covered})
    report = WeightsReport(
        path=str(source.path),
        kind="base",
        layout=mapping.layout,
        prefixes=mapping.prefixes,
        dtypes=dict(Counter(tensor.dtype for tensor in source.tensors.values())),
        wanted=len(shapes),
        had=len(covered),
        blocks=coverage_by_block(shapes, covered),
        missing=tuple(sorted(shapes.keys() - claimed.keys())),
        unexpected=tuple(sorted({each.source for slices in stray for each in slices})),
        mismatched=mismatched,
        twice=tuple(sorted(name for name, slices in claimed.items() if len(slices) > 1)),
        ignored=mapping.junk,
        not_finite=not_finite({name: source.tensors[name] for name in used}) if payload else (),
        payload=payload,
    )
    return replace(report, problems=tuple(_problems(report, source, overlay=overlay)))


def used_slices(mapping: TensorMapping, shapes: Shapes) -> dict[str, TensorSlice]:
    """Return where in an accepted checkpoint each tensor of the model is."""
    return {name: slices[0] for name, slices in mapping.slices.items() if name in shapes}


def _mismatches(
    source: WeightsSource, claimed: Mapping[str, tuple[TensorSlice, ...]], shapes: Shapes
) -> Iterator[ShapeMismatch]:
    for name in sorted(claimed):
        for each in claimed[name]:
            shape = source.tensors[each.source].shape
            if each.third is not None and shape and shape[0] % 3 == 0:
                shape = (shape[0] // 3, *shape[1:])
            if shape != shapes[name]:
                yield ShapeMismatch(name, shapes[name], shape)


def _problems(report: WeightsReport, source: WeightsSource, *, overlay: bool) -> Iterator[WeightsProblem]:
    """Yield the problems, causes before their consequences."""
    if is_lora(source.tensors):
        yield WeightsProblem(
            "is a LoRA, not a checkpoint", "Put it into the folder that LEADART_ENGINE__ADAPTERS names."
        )
        return
    if other := family(source.tensors):
        yield WeightsProblem(
            f"holds the weights of another model ({other})", "Use a checkpoint of Z-Image's transformer."
        )
        return
    yield from dtype_problems(source)
    if report.twice:
        yield WeightsProblem(
            f"has two tensors for {some(report.twice)}", "Save it again in one layout, under one prefix."
        )
    if report.mismatched:
        names = some(each.name for each in report.mismatched)
        yield WeightsProblem(f"has other shapes than the model: {names}", "Use a checkpoint of this very model.")
    if report.unexpected:
        what = f"has {len(report.unexpected)} tensors that the model does not have: {some(report.unexpected)}"
        yield WeightsProblem(what, "Save the transformer alone, in one of the layouts of docs/operations/weights.md.")
    if report.not_finite:
        yield not_finite_problem(report.not_finite)
    if not report.had or (report.missing and not overlay):
        what = f"covers {report.had} of the model's {report.wanted} tensors; missing: {some(report.missing)}"
        yield WeightsProblem(what, "Complete it; if it is partial on purpose, set LEADART_ENGINE__OVERLAY=true.")
