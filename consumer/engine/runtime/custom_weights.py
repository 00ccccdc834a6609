"""Loading of accepted weights into the transformer: the configured checkpoint over the base model, and the adapters.

Call `load_checkpoint` before `load_adapters`: adapters wrap the modules that they change.
"""

import hashlib
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from consumer.engine.weights.adapter_gate import examine_adapter, strength
from consumer.engine.weights.folder import incomplete
from consumer.engine.weights.gate import adapter_files, examine_checkpoint, require_accepted, used_slices
from consumer.engine.weights.identity import checkpoint_sha256
from consumer.engine.weights.layout import TensorSlice, map_tensors
from consumer.engine.weights.lora import pair_up
from consumer.engine.weights.refusal import doctor_command, refused, shown, some
from consumer.engine.weights.report import WeightsProblem, idle_problem, not_finite_problem
from consumer.engine.weights.source import WeightsSource, read_source
from consumer.errors import Fatal
from consumer.jobs import Adapter
from consumer.settings import EngineSettings

_A = ".lora_A.weight"
_B = ".lora_B.weight"


@dataclass(frozen=True, slots=True)
class CustomWeights:
    """What was loaded over a model: the share that a checkpoint replaced, and the adapters a picture may ask for."""

    coverage: float | None = None
    adapters: tuple[Adapter, ...] = ()


def load_custom_weights(transformer: Any, settings: EngineSettings) -> CustomWeights:
    """Load the configured checkpoint, then the adapters, into a transformer on the CPU.

    Raises Fatal and nothing else, also for a transformer that its own folder left incomplete.
    """
    if settings.model is not None:
        require_loaded(settings.model, "transformer", transformer)
    return CustomWeights(load_checkpoint(transformer, settings), load_adapters(transformer, settings.adapters))


def require_loaded(folder: Path, part: str, module: Any) -> None:
    """Raise Fatal if the folder's weights lacked tensors of a part; those are then on the meta device."""
    own = chain(module.named_parameters(), module.named_buffers())
    if missing := sorted(name for name, tensor in own if tensor.is_meta):
        raise incomplete(folder, part, missing)


@contextmanager
def _errors_as_fatal(path: Path, *, adapter: bool = False) -> Iterator[None]:
    """Turn any other error into Fatal: whatever is wrong with a file, the start ends with a sentence about it."""
    try:
        yield
    except Fatal:
        raise
    except Exception as error:
        what = f"could not be loaded ({type(error).__name__}: {shown(str(error))})"
        raise refused(path, what, f"See: {doctor_command(path, adapter=adapter)}") from error


def load_checkpoint(transformer: Any, settings: EngineSettings) -> float | None:
    """Load the configured checkpoint over the transformer, tensor by tensor; return its coverage, None without one.

    The transformer keeps its dtype and device and must not have adapters yet. Raises Fatal: the transformer is then
    partly overwritten and must not be used.
    """
    if settings.weights is None:
        return None
    with _errors_as_fatal(settings.weights):
        source, own = read_source(settings.weights), dict(transformer.state_dict())
        shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
        report = examine_checkpoint(source, shapes, overlay=settings.overlay)
        require_accepted(report)
        if bad := _copy(own, source, used_slices(map_tensors(source.tensors), shapes)):
            raise _refused_for(source, not_finite_problem(bad))
    return report.coverage


def _copy(own: Mapping[str, torch.Tensor], source: WeightsSource, slices: Mapping[str, TensorSlice]) -> tuple[str, ...]:
    """Copy the file's tensors into the model's; return those that hold NaN or infinity in bf16."""
    pending: dict[str, list[tuple[str, int | None]]] = {}
    for name, each in slices.items():
        pending.setdefault(each.source, []).append((name, each.third))
    bad = []
    for stored, tensor in _tensors(source, pending):
        for name, third in pending.pop(stored):
            rows = tensor if third is None else tensor.chunk(3)[third]
            if rows.shape != own[name].shape:
                raise _changed(source, stored)
            own[name].copy_(rows)
            if not _finite(own[name]):
                bad.append(stored)
    if pending:
        raise _changed(source, *pending)
    return tuple(dict.fromkeys(bad))


def _changed(source: WeightsSource, *names: str) -> Fatal:
    what = f"was changed while it was loaded: {some(names)}"
    return refused(source.path, what, "Start again, and put new weights beside the old ones or in place by renaming.")


def _finite(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is finite in bf16, whatever its dtype: a file is good on every device or on none."""
    return bool(torch.isfinite(tensor.to(torch.bfloat16)).all())


def load_adapters(transformer: Any, path: Path | None) -> tuple[Adapter, ...]:
    """Load a LoRA file, or every one in a folder, into the transformer, and leave all of them inactive.

    An adapter is named after its file, without the suffix. Raises Fatal, also if fewer matrices are in place afterwards
    than the file has.
    """
    with _errors_as_fatal(path or Path()):
        files = adapter_files(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in transformer.state_dict().items()}
    adapters = []
    for file in files:
        with _errors_as_fatal(file, adapter=True):
            source = read_source(file)
            require_accepted(examine_adapter(source, shapes))
            matrices = _matrices(source, shapes, transformer.dtype)
            _inject(transformer, matrices, _label(file.stem))
            _require_effect(transformer, file, matrices)
            adapters.append(Adapter(file.stem, checkpoint_sha256(file)))
    if adapters:
        use_adapters(transformer, ())
    return tuple(adapters)


def use_adapters(transformer: Any, adapters: Sequence[Adapter]) -> None:
    """Activate exactly these adapters, with their scales, for every call from now on; () for none.

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
    """Return a name for peft, which must be a valid module name: no dots."""
    return f"adapter_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _tensors(source: WeightsSource, names: Iterable[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield tensors by name, one in memory at a time."""
    selected = set(names)
    for file in source.files:
        with safe_open(file, framework="pt", device="cpu") as opened:
            for name in sorted(selected & set(opened.keys())):
                yield name, opened.get_tensor(name)


def _matrices(
    source: WeightsSource, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Return A and B for each module of the model, with the strength multiplied into B."""
    stored = dict(_tensors(source, source.tensors))
    matrices, idle = {}, []
    for pair in pair_up(source.tensors, shapes)[0]:
        alpha = stored[pair.tensors["alpha"]].item() if "alpha" in pair.tensors else None
        down = stored[pair.tensors["down"]].to(dtype)
        up = (stored[pair.tensors["up"]].float() * strength(source, pair, alpha)).to(dtype)
        for role, matrix in (("down", down), ("up", up)):
            if not matrix.to(torch.bfloat16).any():
                idle.append(pair.tensors[role])
        for target in pair.targets:
            rows = up if target.third is None else up.chunk(3)[target.third]
            matrices[f"{target.module}{_A}"] = down.clone()
            matrices[f"{target.module}{_B}"] = rows.clone()
    if bad := [name for name, tensor in matrices.items() if not _finite(tensor)]:
        raise _refused_for(source, not_finite_problem(bad), adapter=True)
    if idle:
        raise _refused_for(source, idle_problem(idle), adapter=True)
    return matrices


def _refused_for(source: WeightsSource, problem: WeightsProblem, *, adapter: bool = False) -> Fatal:
    command = doctor_command(source.path, adapter=adapter)
    return refused(source.path, problem.what, f"{problem.remedy} See: {command}")


def _inject(transformer: Any, matrices: Mapping[str, torch.Tensor], label: str) -> None:
    """Wrap the modules. Alpha equals rank everywhere, as the strengths are already in the matrices."""
    ranks = {name.removesuffix(_A): tensor.shape[0] for name, tensor in matrices.items() if name.endswith(_A)}
    rank = next(iter(ranks.values()))
    patterns = {f"^{re.escape(module)}": each for module, each in ranks.items() if each != rank}
    config = {
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": patterns,
        "alpha_pattern": patterns,
        "target_modules": list(ranks),
    }
    with warnings.catch_warnings():
        # More than one adapter is intended.
        warnings.filterwarnings("ignore", "Already found a `peft_config` attribute", UserWarning)
        transformer.load_lora_adapter(
            dict(matrices), prefix=None, adapter_name=label, low_cpu_mem_usage=True, metadata=config
        )


def _require_effect(transformer: Any, file: Path, matrices: Mapping[str, torch.Tensor]) -> None:
    """Raise Fatal unless every matrix is in place: libraries drop what they do not know with a mere warning."""
    label = _label(file.stem)
    own = dict(transformer.named_parameters())
    lost = []
    for name, tensor in matrices.items():
        loaded = own.get(name.replace(".weight", f".{label}.weight"))
        if loaded is None or not torch.equal(loaded.cpu(), tensor):
            lost.append(name)
    if lost:
        what = f"took effect in {len(matrices) - len(lost)} of {len(matrices)} matrices; not in {some(lost)}"
        raise refused(file, what, f"See: {doctor_command(file, adapter=True)}")
