from __future__ import annotations

import subprocess
import sys

import pytest

from consumer.engine import open_engine
from consumer.engine.client import ZImageEngine
from consumer.engine.device_worker import DeviceWorker
from consumer.engine.devices import EngineDevice
from consumer.engine.protocol import Ready
from consumer.engine.swatch import SwatchEngine
from consumer.errors import Fatal
from consumer.jobs import ModelIdentity
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


MODEL = ModelIdentity("a model", "0" * 64)


@pytest.mark.parametrize(
    ("again", "refused"),
    [
        (Ready(MODEL, kernels="plain, slower than fused: there is no gcc or clang: install one, name it in CC"), False),
        (Ready(ModelIdentity("a model", "1" * 64), kernels="fused"), True),
    ],
    ids=["other kernels", "another model"],
)
def test_only_another_model_ends_the_engine(again: Ready, refused: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Which kernels a process paints with is no part of what it paints: a device or a restart may have others."""
    settings = EngineSettings(kind=EngineKind.ZIMAGE)
    engine = ZImageEngine(settings)
    worker = DeviceWorker(EngineDevice("cuda:0", "cuda"), settings, (), {})
    engine.worker_ready(worker, Ready(MODEL, kernels="fused"))
    if refused:
        with pytest.raises(Fatal, match="its folder changed"):
            engine.worker_ready(worker, again)
    else:
        engine.worker_ready(worker, again)
        assert engine.paintable.model == MODEL
