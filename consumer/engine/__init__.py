"""What paints: the Z-Image pipeline in a child process, or the swatch engine beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumer.ports import Engine
    from consumer.settings import EngineSettings


def open_engine(settings: EngineSettings) -> Engine:
    """Return the engine that `settings.kind` names, not yet started: enter it as an async context.

    Only that engine's libraries are imported; torch never is, since it lives in the child process.
    """
    if settings.kind == "swatch":
        from consumer.engine.swatch import SwatchEngine  # noqa: PLC0415 - Pillow only when it paints

        return SwatchEngine(settings)
    from consumer.engine.client import ZImageEngine  # noqa: PLC0415 - not needed for swatches

    return ZImageEngine(settings)
