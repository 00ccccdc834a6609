"""What only a GPU can show: the corpus in fp32 and bf16, real offloading, real out-of-memory errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from consumer.engine.runtime.background import compile_now
from consumer.engine.runtime.model import Model, load_pipeline
from consumer.engine.runtime.sample import Flow
from consumer.engine.runtime.tiny import build_tiny_model
from consumer.settings import EngineSettings, MemoryPolicy
from tests.support.denoising import CORPUS, DenoiserSession, apart, begun, keeping_latents, psnr, stock
from tests.support.samples import recipe_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
ALIKE_DB = 40.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    build_tiny_model(folder)
    return folder


def painted(model: Model) -> DenoiserSession:
    """Paint the corpus."""
    session = DenoiserSession(model)
    session.take(*CORPUS)
    return session.finish()


def test_latents_equal_the_stock_pipelines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In fp32 on CUDA the corpus' latents are the stock pipeline's to 1e-4."""
    model = Model(load_pipeline(folder, CPU), CUDA, EngineSettings(memory=MemoryPolicy.RESIDENT))
    with keeping_latents(monkeypatch) as latents:
        session = painted(model)
    apart = {
        number: float((held - stock(model, CORPUS[number])).abs().max())
        for number, held in session.numbered(latents).items()
    }
    assert max(apart.values()) < 1e-4, apart


def test_pictures_in_half_precision(folder: Path) -> None:
    """In bf16 each picture is the stock pipeline's and the CPU's to 40 dB: the noise is the same on any device."""
    half = Model(load_pipeline(folder, CUDA), CUDA, EngineSettings(memory=MemoryPolicy.RESIDENT))
    assert half.transformer.dtype == torch.bfloat16
    session = painted(half)
    full = Model(load_pipeline(folder, CPU), CPU, EngineSettings())
    for number, recipe in enumerate(CORPUS):
        assert psnr(session.pictures[number], stock(half, recipe, "pil")) > ALIKE_DB
        assert psnr(session.pictures[number], stock(full, recipe, "pil")) > ALIKE_DB


def test_compiled_parts_paint_the_same(folder: Path) -> None:
    """What is compiled beside the painting on CUDA compiles, and each picture is that of before to 40 dB."""
    model = Model(load_pipeline(folder, CUDA), CUDA, EngineSettings(memory=MemoryPolicy.RESIDENT))
    usual = painted(model).pictures
    said = compile_now(model)
    assert (said.parts, said.failure) == ("decoder", "")
    assert all(psnr(picture, usual[number]) > ALIKE_DB for number, picture in painted(model).pictures.items())


def test_telling_the_focus_makes_no_step_wait(folder: Path) -> None:
    """On a GPU as on a CPU each picture's focus is found, and adding to it never waits for the device."""
    session = painted(Model(load_pipeline(folder, CPU), CUDA, EngineSettings(memory=MemoryPolicy.RESIDENT)))
    reference = painted(Model(load_pipeline(folder, CPU), CPU, EngineSettings()))
    assert all(apart(found, reference.focuses[number]) < 1e-3 for number, found in session.focuses.items())
    model = Model(load_pipeline(folder, CUDA), CUDA, EngineSettings(memory=MemoryPolicy.RESIDENT))
    flow = Flow(torch.ones(16, 8, 8, device=CUDA), torch.ones(16, 8, 8, device=CUDA))
    sample = begun(model, recipe_of(steps=4))
    sample.advance(flow)
    torch.cuda.set_sync_debug_mode("error")
    try:
        sample.advance(flow)
        sample.advance(flow)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("policy", [MemoryPolicy.OFFLOAD, MemoryPolicy.GROUP_OFFLOAD])
def test_an_offloaded_model_paints_the_same(folder: Path, policy: MemoryPolicy) -> None:
    """Under every memory policy the pictures are the resident model's to 50 dB."""
    resident = painted(Model(load_pipeline(folder, CUDA), CUDA, EngineSettings(memory=MemoryPolicy.RESIDENT)))
    offloaded = painted(Model(load_pipeline(folder, CUDA), CUDA, EngineSettings(memory=policy)))
    assert all(psnr(offloaded.pictures[number], picture) > 50 for number, picture in resident.pictures.items())


def test_a_gpu_that_is_too_small_paints_all_the_same(folder: Path) -> None:
    """With little memory left to this process many large pictures still arrive, in smaller steps and in tiles."""
    model = Model(load_pipeline(folder, CUDA), CUDA, EngineSettings(memory=MemoryPolicy.RESIDENT))
    session = DenoiserSession(model)
    session.take(*(recipe_of(width=1024, height=1024, seed=seed) for seed in range(8)))
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 0.4 * 2**30) / total)
    try:
        session.finish()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert sorted(session.pictures) == list(range(8)), session.failures
