"""The demo's model: a small Z-Image pipeline with random weights, and what a reader must know about any model."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from consumer.embedded import guard
from consumer.engine.weights import CARD
from consumer.errors import Fatal
from consumer.settings import EngineKind
from schemas import Reason

if TYPE_CHECKING:
    from pathlib import Path

    from consumer.settings import EngineSettings

_CARDS = (
    "The swatch engine stands in for a model: it paints labelled colour cards. All around them is real: the "
    "events, the store, the recipes."
)
_NOISE = (
    "The model has random weights. It is a complete Z-Image pipeline, but a tiny one that nobody has trained, so its "
    "pictures are coloured noise. All around them is real: the events, the store, the recipes."
)


async def build_model(folder: Path, module: str = "consumer.engine.tiny") -> None:
    """Write a pipeline into `folder`: torch is imported in a process of its own, which is killed on cancelling.

    `module` is the program that makes it; by itself the small one.

    Raises `Fatal` with the end of its output when that fails.
    """
    builder = (sys.executable, "-m", module, str(folder))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", guard.__file__, *builder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output = await process.stdout.read() if process.stdout else b""
    finally:
        if process.stdin:
            process.stdin.close()  # the guard then kills the builder, if it still runs
        status = await process.wait()
    if status:
        ending = output.decode(errors="replace").strip()[-2000:]
        raise Fatal(Reason.MODEL_UNAVAILABLE, f"The model could not be built: pip install 'leadart[engine]'.\n{ending}")


def caveat(engine: EngineSettings) -> str | None:
    """Return why the engine's pictures show nothing of the story; None for a trained model.

    A model without a card, or with one that does not say, is taken for trained.
    """
    if engine.kind is EngineKind.SWATCH:
        return _CARDS
    card = engine.model / CARD if engine.model else None
    if card is None or not card.is_file():
        return None
    return _NOISE if json.loads(card.read_bytes()).get("trained") is False else None
