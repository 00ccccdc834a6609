from __future__ import annotations

import subprocess
import sys

import pytest

from consumer.engine import open_engine
from consumer.engine.swatch import SwatchEngine
from consumer.settings import EngineKind, EngineSettings


def test_the_setting_picks_the_engine() -> None:
    """`swatch` gives colour cards, `zimage` the pipeline; nothing is started before the context is entered."""
    assert isinstance(open_engine(EngineSettings(kind=EngineKind.SWATCH)), SwatchEngine)
    engine = open_engine(EngineSettings(kind=EngineKind.ZIMAGE))
    assert type(engine).__name__ == "ZImageEngine"
    assert not engine.ready


@pytest.mark.parametrize(
    ("kind", "unwanted"),
    [("zimage", ["torch", "diffusers", "transformers", "PIL"]), ("swatch", ["torch", "diffusers", "transformers"])],
)
def test_the_worker_imports_no_torch(kind: str, unwanted: list[str]) -> None:
    """Opening either engine keeps the heavy libraries out of the worker's process."""
    script = (
        "import sys; from consumer.engine import open_engine; from consumer.settings import EngineSettings;"
        f"open_engine(EngineSettings(kind={kind!r}));"
        f"sys.exit(str([name for name in {unwanted!r} if name in sys.modules] or 0))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own words
    assert done.stderr.strip() == "0"
