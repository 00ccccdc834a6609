"""The engine: the Z-Image pipeline in one process per device, or the swatch engine in its place."""

from consumer.ports import Engine
from consumer.settings import EngineSettings


def open_engine(settings: EngineSettings) -> Engine:
    """Return the engine that `settings.kind` names, not yet started: enter it as an async context.

    Imports that engine's libraries only, and never torch, which lives in the child process.
    """
    if settings.kind == "swatch":
        from consumer.engine.swatch import SwatchEngine  # noqa: PLC0415 - Pillow only when it paints

        return SwatchEngine(settings)
    from consumer.engine.client import ZImageEngine  # noqa: PLC0415 - not needed for swatches

    return ZImageEngine(settings)
