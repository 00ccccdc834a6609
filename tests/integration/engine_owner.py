"""A worker to be killed: paints one long picture with the real engine and prints each step to stdout."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from consumer.engine.client import ZImageEngine
from consumer.jobs import Lane, Recipe
from consumer.settings import EngineSettings


def print_step(done: int, of: int) -> None:
    sys.stdout.write(f"step {done} of {of}\n")
    sys.stdout.flush()


async def main(model: Path) -> None:
    async with ZImageEngine(EngineSettings(model=model)) as engine:
        recipe = Recipe("long", "", engine.paintable.model, (), 1024, 1024, 500, 2.0, 1, "default", 1)
        await engine.paint(recipe, Lane.LIVE, print_step)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
