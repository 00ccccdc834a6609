"""The denoiser when memory runs out: no picture is lost, painted twice or changed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.engine.runtime import memory as memory_module
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.memory import Memory, is_out_of_memory
from consumer.engine.runtime.model import Model
from consumer.jobs import Lane
from consumer.settings import EngineSettings, MemoryPolicy
from schemas import Reason
from tests.equality.shortage import ALIKE_DB, harm, paint
from tests.support.denoising import DenoiserSession, psnr
from tests.support.samples import recipe_of

pytestmark = pytest.mark.slow


class FakePlacement:
    """A placement that can offload `offloads` times; counts the calls."""

    device = torch.device("cpu")
    policy = MemoryPolicy.RESIDENT

    def __init__(self, offloads: int = 0) -> None:
        self._left = offloads
        self.offloaded = 0
        self.freed = 0

    def activate(self, _part: object) -> None:
        """Do nothing: on a CPU nothing moves."""

    def offload(self) -> bool:
        """Return whether there was something left to offload."""
        if not self._left:
            return False
        self._left -= 1
        self.offloaded += 1
        return True

    def unload(self) -> None:
        """Do nothing: no part is ever moved halfway here."""

    def empty_cache(self) -> None:
        """Count the call."""
        self.freed += 1


@pytest.fixture(scope="module")
def undisturbed(tiny: Model) -> tuple[DenoiserSession, int]:
    """A session without a shortage, and the number of its operations."""
    paint(tiny)  # the first one also fills the model's own tables
    session, shortage = paint(tiny)
    return session, shortage.operations


@settings(max_examples=30, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True))
def test_out_of_memory_at_any_operation_harms_no_picture(
    tiny: Model, undisturbed: tuple[DenoiserSession, int], at: float
) -> None:
    """Wherever memory runs out once, in encoding, stepping or decoding, every picture arrives once and unchanged."""
    session, operations = undisturbed
    position = 1 + int(at * operations)
    disturbed, _ = paint(tiny, lambda operation: operation == position)
    assert harm(disturbed, session) == "none"


@settings(max_examples=10, deadline=None)
@given(at=st.sets(st.floats(0, 1, exclude_max=True), max_size=3))
def test_out_of_memory_again_and_again(tiny: Model, undisturbed: tuple[DenoiserSession, int], at: set[float]) -> None:
    """With several shortages in a session no picture is lost or doubled; one that fails has met two of them alone."""
    session, operations = undisturbed
    positions = {1 + int(place * operations) for place in at}
    disturbed, _ = paint(tiny, lambda operation: operation in positions)
    assert sorted([*disturbed.pictures, *disturbed.failures]) == [0, 1, 2]
    assert {failure.reason for failure in disturbed.failures.values()} <= {Reason.TOO_LARGE}
    for number, picture in disturbed.pictures.items():
        assert psnr(picture, session.pictures[number]) > ALIKE_DB


def short_calls(patch: pytest.MonkeyPatch, most: Callable[[], int]) -> list[int]:
    """Let a call take at most n sequences; return the numbers that were tried, call by call."""
    flows, tried = PackedForward.flows, list[int]()

    def bounded(forward: PackedForward, latents: list[torch.Tensor], *arguments: Any) -> Any:
        tried.append(len(latents))
        if len(latents) > most():
            raise torch.OutOfMemoryError
        return flows(forward, latents, *arguments)

    patch.setattr(PackedForward, "flows", bounded)
    return tried


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_steps_shrink_to_what_fits(tiny: Model, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Too many tokens are halved until they fit, guidance is finally split in two calls, and all pictures arrive."""
    tried = short_calls(monkeypatch, lambda: most)
    session = DenoiserSession(tiny)
    session.take(*(recipe_of(seed=seed) for seed in range(6)))
    session.finish()
    assert sorted(session.pictures) == list(range(6))
    assert sum(count > most for count in tried) <= 4
    assert all(session.steps_of(number) == [1, 2] for number in range(6))


def test_a_cap_is_forgotten_slowly(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """What did not fit once is tried again after many calls that did, a little more at a time."""
    monkeypatch.setattr(memory_module, "RECOVERY_CALLS", 2)
    bound = 3
    tried = short_calls(monkeypatch, lambda: bound)
    session = DenoiserSession(tiny, EngineSettings(batch_size=6))
    session.take(*(recipe_of(seed=seed, steps=50, guidance_scale=0.0, width=32, height=32) for seed in range(6)))
    session.work(1)
    bound = 6
    session.work(8 * 2 + 1)
    steady = [tried[0], *(count for before, count in itertools.pairwise(tried) if count != before)]
    assert steady == [6, 3, 4, 5, 6]


def test_offloading_comes_after_halving(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single sequence that does not fit is tried once more, then with the model offloaded, in every possible way."""
    place = FakePlacement(offloads=2)
    monkeypatch.setattr(tiny, "placement", place)
    short_calls(monkeypatch, lambda: int(place.offloaded == 2))
    session = DenoiserSession(tiny)
    session.take(recipe_of())
    session.finish()
    assert (sorted(session.pictures), place.offloaded, place.freed) == ([0], 2, 4)


def test_what_fits_nowhere_fails_for_good(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """If neither halving, a retry nor offloading helps, the picture fails as too large; others go on."""
    place = FakePlacement(offloads=1)
    monkeypatch.setattr(tiny, "placement", place)
    flows = PackedForward.flows

    def greedy(forward: PackedForward, latents: list[torch.Tensor], *arguments: Any) -> Any:
        if any(item.shape[-1] > 8 for item in latents):
            raise torch.OutOfMemoryError
        return flows(forward, latents, *arguments)

    monkeypatch.setattr(PackedForward, "flows", greedy)
    session = DenoiserSession(tiny)
    session.take(recipe_of(width=128, height=128), recipe_of())
    session.take(recipe_of(seed=8), first=2, lane=Lane.BACKFILL)
    session.finish()
    assert sorted(session.pictures) == [1, 2]
    assert (session.failures[0].reason, session.failures[0].transient) == (Reason.TOO_LARGE, False)
    assert session.failures[0].field == "output"
    assert "fewer pixels" in session.failures[0].message


def test_a_decode_that_does_not_fit_is_tiled(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Latents are kept; pictures are decoded together, then one by one, then in tiles, as are later ones."""
    decoder, sides = tiny.vae.decoder.forward, list[int]()

    def bounded(latents: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        sides.append(max(latents.shape[-2:]))
        if sides[-1] > 16:
            raise torch.OutOfMemoryError
        return decoder(latents, *arguments, **options)

    whole = DenoiserSession(tiny)
    whole.take(recipe_of(width=256, height=128))
    whole.finish()
    monkeypatch.setattr(tiny.vae.decoder, "forward", bounded)
    session = DenoiserSession(tiny)
    session.take(recipe_of(width=256, height=128), recipe_of(width=256, height=128, seed=8), recipe_of())
    session.finish()
    assert sorted(session.pictures) == [0, 1, 2]
    assert sides.count(32) == 2
    assert psnr(session.pictures[0], whole.pictures[0]) > ALIKE_DB


@pytest.mark.parametrize(
    ("error", "so"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("FIND was unable to find an engine to execute this computation"), True),
        (torch.AcceleratorError("CUDA error: out of memory"), True),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("The size of tensor a (3) must match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_distinguished_from_other_errors(error: Exception, so: bool) -> None:  # noqa: FBT001 - a parameter
    """CUDA, Python and the CPU's allocator each report it in their own way."""
    assert is_out_of_memory(error) is so


@given(st.lists(st.tuples(st.integers(2, 40_000), st.integers(2, 16)), max_size=12))
def test_caps_shrink_while_calls_fail(refusals: list[tuple[int, int]]) -> None:
    """After each call that did not fit the cap is below it, and a single sequence is never held back by it."""
    memory = Memory(FakePlacement())  # type: ignore[arg-type]  # as good as one
    for tokens, sequences in refusals:
        asked = min(tokens, memory.max_tokens)
        assert memory.shrink_calls(asked, sequences)
        assert memory.max_tokens <= asked // 2
    assert not memory.shrink_calls(40_000, 1)


def test_a_cap_is_lifted_by_calls_close_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of more than half the cap lift it, step by step, until it is gone; small ones say nothing."""
    monkeypatch.setattr(memory_module, "RECOVERY_CALLS", 3)
    memory = Memory(FakePlacement())  # type: ignore[arg-type]  # as good as one
    assert memory.shrink_calls(1600, 4)
    memory.record_success([100] * 30)
    assert memory.max_tokens == 800
    memory.record_success([800] * 3)
    assert memory.max_tokens == 900
    memory.record_success([800] * 3 * 7)
    assert memory.max_tokens > 1600


def test_a_failed_offload_fails_the_picture_only(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is not even memory to offload, the picture fails as too large and the process goes on."""

    def full() -> bool:
        raise torch.OutOfMemoryError

    place = FakePlacement()
    monkeypatch.setattr(place, "offload", full)
    monkeypatch.setattr(tiny, "placement", place)
    short_calls(monkeypatch, lambda: 0)
    session = DenoiserSession(tiny)
    session.take(recipe_of())
    assert session.finish().failures[0].reason is Reason.TOO_LARGE


def test_errors_are_not_held(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """When memory is released, no frame of the failed call is alive any more, nor a tensor that it made."""
    import gc  # noqa: PLC0415 - beside its use
    import weakref  # noqa: PLC0415 - likewise

    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    def failing(*_arguments: Any, **_options: Any) -> Any:
        large = torch.zeros(1000)
        held.append(weakref.ref(large))
        raise torch.OutOfMemoryError

    place = FakePlacement()
    monkeypatch.setattr(place, "empty_cache", lambda: alive.append(held[-1]() is not None))
    monkeypatch.setattr(tiny, "placement", place)
    monkeypatch.setattr(PackedForward, "flows", failing)
    session = DenoiserSession(tiny)
    session.take(recipe_of())
    session.finish()
    gc.collect()
    assert alive
    assert not any(alive)
