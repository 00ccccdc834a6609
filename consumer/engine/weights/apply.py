"""Loading what the gate let in: the house's checkpoint over the base, and adapters beside it. The one part with torch.

Call `load_checkpoint` before `load_adapters`: adapters wrap the modules that they change.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open

from consumer.engine.weights import layout
from consumer.engine.weights.adapter_gate import examine_adapter, strength
from consumer.engine.weights.folder import incomplete
from consumer.engine.weights.gate import adapter_files, examine_checkpoint, require_accepted, used_parts
from consumer.engine.weights.identity import checkpoint_sha256
from consumer.engine.weights.lora import pair_up
from consumer.engine.weights.problems import idle_problem, not_finite_problem
from consumer.engine.weights.refusal import refused, shown, some
from consumer.engine.weights.source import read_source
from consumer.errors import Fatal
from consumer.jobs import Adapter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from consumer.engine.weights.report import WeightsProblem
    from consumer.engine.weights.source import WeightsSource
    from consumer.settings import EngineSettings

_A = ".lora_A.weight"
_LORA = " --as lora"


@dataclass(frozen=True, slots=True)
class CustomWeights:
    """What was laid over a model: the share that a checkpoint replaced, and the adapters that may be asked for."""

    coverage: float | None = None
    adapters: tuple[Adapter, ...] = ()


def load_custom_weights(transformer: Any, settings: EngineSettings) -> CustomWeights:
    """Load the checkpoint and then the adapters that the settings name into a transformer on the CPU.

    Raises Fatal and nothing else, also for a transformer that its folder left incomplete.
    """
    if settings.model is not None:
        require_loaded(settings.model, "transformer", transformer)
    return CustomWeights(load_checkpoint(transformer, settings), load_adapters(transformer, settings.adapters))


def require_loaded(folder: Path, part: str, module: Any) -> None:
    """Raise Fatal if the folder's weights lacked tensors of a part, which then are on the meta device."""
    own = chain(module.named_parameters(), module.named_buffers())
    if missing := sorted(name for name, tensor in own if tensor.is_meta):
        raise incomplete(folder, part, missing)


@contextmanager
def _told(path: Path, flag: str = "") -> Iterator[None]:
    """Turn every error that is none of ours into Fatal: a file is to end the start with a sentence."""
    try:
        yield
    except Fatal:
        raise
    except Exception as error:
        what = f"could not be loaded ({type(error).__name__}: {shown(str(error))})"
        raise refused(path, what, f"See: {_command(path, flag)}") from error


def load_checkpoint(transformer: Any, settings: EngineSettings) -> float | None:
    """Load the checkpoint that the settings name over the transformer, tensor by tensor; return its coverage.

    None if they name none. The transformer keeps its dtype and device, and has no adapters yet. Raises Fatal; what was
    loaded until then stays loaded, so that the transformer must not be used.
    """
    if settings.weights is None:
        return None
    with _told(settings.weights):
        source, own = read_source(settings.weights), dict(transformer.state_dict())
        shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
        report = examine_checkpoint(source, shapes, overlay=settings.overlay)
        require_accepted(report)
        if bad := _lay_over(own, source, used_parts(layout.map_tensors(source.tensors), shapes)):
            raise _because(source, not_finite_problem(bad))
    return report.coverage


def _lay_over(
    own: Mapping[str, torch.Tensor], source: WeightsSource, parts: Mapping[str, layout.TensorSlice]
) -> tuple[str, ...]:
    """Copy the file's tensors into the model's; return those that hold NaN or infinity in bf16."""
    wanted: dict[str, list[tuple[str, int | None]]] = {}
    for name, part in parts.items():
        wanted.setdefault(part.source, []).append((name, part.third))
    bad = []
    for stored, tensor in _tensors(source, wanted):
        for name, third in wanted.pop(stored):
            rows = tensor if third is None else tensor.chunk(3)[third]
            if rows.shape != own[name].shape:
                raise _changed(source, stored)
            own[name].copy_(rows)
            if not _finite(own[name]):
                bad.append(stored)
    if wanted:
        raise _changed(source, *wanted)
    return tuple(dict.fromkeys(bad))


def _changed(source: WeightsSource, *names: str) -> Fatal:
    what = f"was changed while it was loaded: {some(names)}"
    return refused(source.path, what, "Start again, and put new weights beside the old ones or in place by renaming.")


def _finite(tensor: torch.Tensor) -> bool:
    """Whether a tensor is finite in bf16, whatever it is painted in: a file is good on every device or on none."""
    return bool(torch.isfinite(tensor.to(torch.bfloat16)).all())


def load_adapters(transformer: Any, place: Path | None) -> tuple[Adapter, ...]:
    """Load every LoRA of the folder, or the one that it is, into the transformer, and leave none of them active.

    An adapter is called what its file is called, without the suffix. Raises Fatal, also when fewer matrices are in
    place afterwards than the file has.
    """
    with _told(place or Path()):
        files = adapter_files(place)
    shapes = {name: tuple(tensor.shape) for name, tensor in transformer.state_dict().items()}
    adapters = []
    for file in files:
        with _told(file, _LORA):
            source = read_source(file)
            require_accepted(examine_adapter(source, shapes))
            matrices = _matrices(source, shapes, transformer.dtype)
            _inject(transformer, matrices, _label(file.stem))
            _demand_effect(transformer, file, matrices)
            adapters.append(Adapter(file.stem, checkpoint_sha256(file)))
    if adapters:
        use_adapters(transformer, ())
    return tuple(adapters)


def use_adapters(transformer: Any, adapters: Sequence[Adapter]) -> None:
    """Make exactly these adapters take part, with their scales, in every call from now on; () for none.

    Raises LookupError for one that was not loaded.
    """
    loaded = getattr(transformer, "peft_config", {})
    if unknown := [adapter.name for adapter in adapters if _label(adapter.name) not in loaded]:
        raise LookupError(f"No adapter {', '.join(unknown)} was loaded")
    if adapters:
        names = [_label(adapter.name) for adapter in adapters]
        transformer.set_adapters(names, [adapter.scale for adapter in adapters])
        transformer.enable_adapters()
    elif loaded:
        transformer.disable_adapters()


def _label(name: str) -> str:
    """Return an adapter's name as peft can take it: a module's name, so without dots."""
    return f"house_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _tensors(source: WeightsSource, names: Iterable[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield tensors by name, one in memory at a time."""
    wanted = set(names)
    for file in source.files:
        with safe_open(file, framework="pt", device="cpu") as opened:
            for name in sorted(wanted & set(opened.keys())):
                yield name, opened.get_tensor(name)


def _matrices(
    source: WeightsSource, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Return A and B for each module of the model, what they are multiplied by put into B."""
    stored = dict(_tensors(source, source.tensors))
    matrices, idle = {}, []
    for pair in pair_up(source.tensors, shapes)[0]:
        alpha = stored[pair.tensors["alpha"]].item() if "alpha" in pair.tensors else None
        down = stored[pair.tensors["down"]].to(dtype)
        up = (stored[pair.tensors["up"]].float() * strength(source, pair, alpha)).to(dtype)
        for role, matrix in (("down", down), ("up", up)):
            if not matrix.to(torch.bfloat16).any():
                idle.append(pair.tensors[role])
        for place in pair.places:
            part = up if place.third is None else up.chunk(3)[place.third]
            matrices[f"{place.module}{_A}"] = down.clone()
            matrices[f"{place.module}.lora_B.weight"] = part.clone()
    if bad := [name for name, tensor in matrices.items() if not _finite(tensor)]:
        raise _because(source, not_finite_problem(bad), _LORA)
    if idle:
        raise _because(source, idle_problem(idle), _LORA)
    return matrices


def _because(source: WeightsSource, problem: WeightsProblem, flag: str = "") -> Fatal:
    return refused(source.path, problem.what, f"{problem.remedy} See: {_command(source.path, flag)}")


def _inject(transformer: Any, matrices: Mapping[str, torch.Tensor], label: str) -> None:
    """Wrap the modules. Alpha equals rank everywhere: strengths are in the matrices already."""
    ranks = {
        re.escape(name.removesuffix(_A)): tensor.shape[0] for name, tensor in matrices.items() if name.endswith(_A)
    }
    rank = next(iter(ranks.values()))
    patterns = {f"^{module}": each for module, each in ranks.items() if each != rank}
    config = {
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": patterns,
        "alpha_pattern": patterns,
        "target_modules": [name.removesuffix(_A) for name in matrices if name.endswith(_A)],
    }
    with warnings.catch_warnings():
        # That there is more than one adapter is meant.
        warnings.filterwarnings("ignore", "Already found a `peft_config` attribute", UserWarning)
        transformer.load_lora_adapter(
            dict(matrices), prefix=None, adapter_name=label, low_cpu_mem_usage=True, metadata=config
        )


def _demand_effect(transformer: Any, file: Path, matrices: Mapping[str, torch.Tensor]) -> None:
    """Compare what is in place with what was in the file: libraries drop what they do not know with a warning."""
    label = _label(file.stem)
    own = dict(transformer.named_parameters())
    lost = []
    for name, tensor in matrices.items():
        placed = own.get(name.replace(".weight", f".{label}.weight"))
        if placed is None or not torch.equal(placed.cpu(), tensor):
            lost.append(name)
    if lost:
        what = f"took effect in {len(matrices) - len(lost)} of {len(matrices)} matrices; not in {some(lost)}"
        raise refused(file, what, f"See: {_command(file, _LORA)}")


def _command(file: Path, flag: str) -> str:
    return f"leadart doctor weights {shlex.quote(str(file))}{flag}"
