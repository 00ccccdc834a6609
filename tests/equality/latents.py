"""The corpus compared with the stock pipeline: latents in fp32, pictures in fp32 and bf16."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from consumer.engine.runtime.model import Model
from consumer.jobs import Lane
from consumer.settings import EngineSettings
from tests.support.denoising import CORPUS, DenoiserSession, keeping_latents, psnr, stock

Row = tuple[str, ...]


def latent_rows(model: Model) -> list[Row]:
    """Return for each way of painting the corpus its latents' largest difference from the stock pipeline's."""
    reference = [stock(model, recipe) for recipe in CORPUS]
    rows: list[Row] = []
    for name, paint in WAYS.items():
        with pytest.MonkeyPatch.context() as patch, keeping_latents(patch) as kept:
            session = paint(model).finish()
        apart = [
            float((held - reference[n]).abs().max()) for n, held in session.numbered(kept).items() if n < len(CORPUS)
        ]
        rows.append((name, str(len(apart)), str(len(session.batches)), f"{max(apart):.1e}", f"{np.median(apart):.1e}"))
    return rows


def picture_rows(full: Model, half: Model) -> list[Row]:
    """Return how far pictures painted in batches are from the stock pipeline's, in levels of 255 and in dB."""
    rows: list[Row] = []
    for name, model in (("fp32", full), ("bf16", half)):
        session = _all_at_once(model, EngineSettings()).finish()
        pairs = [(session.pictures[n].astype(int), stock(model, recipe, "pil")) for n, recipe in enumerate(CORPUS)]
        levels = [int(np.abs(ours - theirs).max()) for ours, theirs in pairs]
        ratios = [psnr(ours, theirs) for ours, theirs in pairs]
        rows.append((name, str(max(levels)), f"{min(ratios):.1f}", f"{np.median(ratios):.1f}"))
    return rows


def _all_at_once(model: Model, settings: EngineSettings) -> DenoiserSession:
    session = DenoiserSession(model, settings)
    session.take(*CORPUS)
    return session


def _interrupted(model: Model) -> DenoiserSession:
    """Begin the corpus in the lowest lane, and add a more urgent picture before every step for a while."""
    session = DenoiserSession(model, EngineSettings(batch_size=2))
    session.take(*CORPUS, lane=Lane.BACKFILL)
    for at in range(1, 20):
        session.work(1)
        session.take(CORPUS[at % len(CORPUS)], lane=Lane.INTERACTIVE, first=1000 + at)
    return session


WAYS: dict[str, Callable[[Model], DenoiserSession]] = {
    "one by one": lambda model: _all_at_once(model, EngineSettings(batch_size=1)),
    "as usual": lambda model: _all_at_once(model, EngineSettings()),
    "all together": lambda model: _all_at_once(model, EngineSettings(batch_size=64, batch_tokens=1_000_000)),
    "parked and resumed": _interrupted,
}
