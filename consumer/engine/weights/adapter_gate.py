"""The gate for adapters: a LoRA file is refused unless every one of its tensors takes effect."""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from consumer.engine.weights.layout import split_prefix
from consumer.engine.weights.lora import LoraPair, is_lora, pair_up, unknown_prefix, unsupported
from consumer.engine.weights.payload import not_finite, number, scaled
from consumer.engine.weights.refusal import shown, some
from consumer.engine.weights.report import (
    ShapeMismatch,
    WeightsProblem,
    WeightsReport,
    coverage_by_block,
    dtype_problems,
    idle_problem,
    not_finite_problem,
)
from consumer.engine.weights.source import WeightsSource

Shapes = Mapping[str, tuple[int, ...]]

_METADATA = "lora_adapter_metadata"
_MAX_BF16 = 3.3895e38


def examine_adapter(source: WeightsSource, shapes: Shapes, *, payload: bool = False) -> WeightsReport:
    """Compare a LoRA file with the model's shapes; `payload` also reads every value, for NaN, infinity and zeros."""
    pairs, unexpected = pair_up(source.tensors, shapes)
    alphas = frozenset(pair.tensors["alpha"] for pair in pairs if "alpha" in pair.tensors)
    mismatched = tuple(wrong for pair in pairs if pair.whole for wrong in _mismatches(source, pair, shapes))
    wrong = {each.name for each in mismatched}
    good = [pair for pair in pairs if pair.whole and not wrong & set(pair.tensors.values())]
    read = payload and not any(dtype_problems(source, alphas))
    bad, idle = _values(source, good) if read else ((), ())
    good = [pair for pair in good if not set(idle) & set(pair.tensors.values())]
    report = WeightsReport(
        path=str(source.path),
        kind="adapter",
        layout=_dialect(source, pairs),
        prefixes=tuple(sorted({split_prefix(name)[0] for name in source.tensors})),
        dtypes=dict(Counter(tensor.dtype for tensor in source.tensors.values())),
        wanted=len(source.tensors),
        had=sum(len(pair.tensors) for pair in good),
        blocks=coverage_by_block(_modules(pairs), _modules(good)),
        missing=tuple(sorted(name for pair in pairs if not pair.whole for name in pair.tensors.values())),
        unexpected=tuple(sorted(unexpected)),
        mismatched=mismatched,
        twice=_twice(pairs),
        not_finite=bad,
        idle=idle,
        payload=payload,
    )
    return replace(report, problems=tuple(_problems(report, source, alphas, unknown_prefix(unexpected, shapes))))


def _modules(pairs: Iterable[LoraPair]) -> list[str]:
    """Return the modules that the pairs change."""
    return [target.module for pair in pairs for target in pair.targets]


def _twice(pairs: Sequence[LoraPair]) -> tuple[str, ...]:
    """Return the modules with more than one pair, then the tensors that a pair has a second time."""
    modules = sorted(module for module, times in Counter(_modules(pairs)).items() if times > 1)
    return (*modules, *(name for pair in pairs for name in pair.twice))


def _values(source: WeightsSource, pairs: Sequence[LoraPair]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tensors with NaN or infinity, and the all-zero matrices: in bf16, multiplied by their strength."""
    bad = list(not_finite({name: source.tensors[name] for pair in pairs for name in pair.tensors.values()}))
    idle = []
    for pair in pairs:
        alpha = number(source.tensors[pair.tensors["alpha"]]) if "alpha" in pair.tensors else None
        for role, factor in (("down", 1.0), ("up", strength(source, pair, alpha))):
            finite, more = scaled(source.tensors[pair.tensors[role]], factor)
            if not finite:
                bad.append(pair.tensors[role])
            elif not more:
                idle.append(pair.tensors[role])
    return tuple(dict.fromkeys(bad)), tuple(idle)


def strength(source: WeightsSource, pair: LoraPair, alpha: float | None) -> float:
    """Return the factor of a pair's product: `alpha` ÷ rank, with the metadata's alpha if the pair has none.

    1 without any alpha, NaN for an alpha that is no number.
    """
    if alpha is None:
        alpha = peft_settings(source).get("lora_alpha")
    return 1.0 if alpha is None else _as_float(alpha) / source.tensors[pair.tensors["down"]].shape[0]


def peft_settings(source: WeightsSource) -> dict[str, Any]:
    """Return the adapter settings that diffusers wrote into the file; {} if there are none, or none readable."""
    try:
        settings = json.loads(source.metadata.get(_METADATA, "{}"))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(settings, dict):
        return {}
    return {name.rpartition("transformer.")[2]: value for name, value in settings.items()}


def _mismatches(source: WeightsSource, pair: LoraPair, shapes: Shapes) -> Iterator[ShapeMismatch]:
    """Expect `down` as rank x inputs, `up` as outputs x rank (three stacked when fused), `alpha` as one number."""
    down, up = (source.tensors[pair.tensors[role]].shape for role in ("down", "up"))
    outputs = sum(shapes[f"{target.module}.weight"][0] for target in pair.targets)
    inputs = shapes[f"{pair.targets[0].module}.weight"][1]
    rank = down[0] if down else 0
    if down != (rank, inputs) or not rank:
        yield ShapeMismatch(pair.tensors["down"], (rank, inputs), down)
    if up != (outputs, rank):
        yield ShapeMismatch(pair.tensors["up"], (outputs, rank), up)
    alpha = pair.tensors.get("alpha")
    if alpha is not None and math.prod(source.tensors[alpha].shape) != 1:
        yield ShapeMismatch(alpha, (), source.tensors[alpha].shape)


def _problems(
    report: WeightsReport, source: WeightsSource, alphas: Collection[str], prefix: tuple[str, str] | None
) -> Iterator[WeightsProblem]:
    """Yield the problems, causes before their consequences; `prefix` is an unknown one and the most similar known."""
    if not is_lora(source.tensors):
        yield WeightsProblem("is not a LoRA", "If it is a checkpoint, LEADART_ENGINE__WEIGHTS names it.")
        return
    if kind := unsupported(source.tensors):
        yield WeightsProblem(f"is {kind}, which is not loaded", "Train or extract a plain LoRA.")
        return
    yield from dtype_problems(source, alphas)
    if foreign := _foreign_settings(source):
        yield WeightsProblem(
            f"was saved with {foreign}, which is not applied", "Export it without that, as a plain LoRA."
        )
    if prefix is not None:
        what = f"has the unknown prefix {shown(prefix[0])} before names of this model"
        yield WeightsProblem(what, f"If it is for this model's transformer, rename its tensors: {prefix[1]} is read.")
        return
    if not report.had and not report.mismatched and not report.idle:
        yield WeightsProblem("matches no module of this model", "Use a LoRA for Z-Image's transformer.")
        return
    yield from _deviations(report)


def _deviations(report: WeightsReport) -> Iterator[WeightsProblem]:
    """Yield the problems of a LoRA for this model that is incomplete or partly without effect."""
    if report.unexpected:
        what = f"has {len(report.unexpected)} tensors that would have no effect: {some(report.unexpected)}"
        yield WeightsProblem(what, "Use a LoRA of Z-Image's transformer alone, without text encoder.")
    if report.missing:
        yield WeightsProblem(f"has one matrix without the other: {some(report.missing)}", "Export the LoRA again.")
    if report.twice:
        yield WeightsProblem(
            f"has two pairs for {some(report.twice)}", "Keep either the fused or the single projections."
        )
    if report.mismatched:
        names = some(each.name for each in report.mismatched)
        yield WeightsProblem(
            f"has other shapes than the model: {names}", "Use a LoRA that was trained on this very model."
        )
    if report.not_finite:
        yield not_finite_problem(report.not_finite)
    if report.idle:
        yield idle_problem(report.idle)


def _foreign_settings(source: WeightsSource) -> str:
    settings = peft_settings(source)
    named = [name for name in ("alpha_pattern", "use_rslora", "use_dora", "lora_bias") if settings.get(name)]
    alpha = settings.get("lora_alpha")
    if alpha is not None and not 0 < abs(_as_float(alpha)) <= _MAX_BF16:
        named.append(f"lora_alpha {shown(repr(alpha))}")
    return ", ".join(named)


def _as_float(alpha: object) -> float:
    """Return a number as a float; NaN for anything else, or beyond a float's range."""
    try:
        return math.nan if isinstance(alpha, bool) or not isinstance(alpha, int | float) else float(alpha)
    except OverflowError:
        return math.nan


def _dialect(source: WeightsSource, pairs: Sequence[LoraPair]) -> str:
    names = list(source.tensors)
    words = ["kohya" if any(name.startswith("lora_unet_") for name in names) else ""]
    words.append("A/B" if any(".lora_A." in name for name in names) else "down/up")
    words.append("with alpha" if any("alpha" in pair.tensors for pair in pairs) else "")
    words.append("fused qkv" if any(len(pair.targets) > 1 for pair in pairs) else "")
    return ", ".join(word for word in words if word)
