"""Files that ship with the worker: inside an installed wheel, or in `ops/` of a checkout."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from consumer.errors import Fatal
from schemas import Reason

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parent / "ops"
_DEMO_MODELS = (_PACKAGE / "bundled" / "demo-model", _CHECKOUT / "demo-model" / "model")


def bundled(name: str) -> Traversable:
    """Return the data file `name`. Raises `Fatal` when neither the wheel nor a checkout has it."""
    for place in (files("consumer") / "bundled", _CHECKOUT / "config"):
        file = place / name
        if file.is_file():
            return file
    raise Fatal(Reason.MISCONFIGURED, f"{name} is missing from this installation: reinstall the leadart wheel")


def is_demo_model(folder: Path) -> bool:
    """Return whether this is the folder of the demo model."""
    return folder.resolve() in _DEMO_MODELS


def demo_model() -> Path:
    """Return the folder of the demo model. Raises `Fatal` when neither the wheel nor a checkout has it."""
    for folder in _DEMO_MODELS:
        if folder.is_dir():
            return folder
    raise Fatal(
        Reason.MODEL_UNAVAILABLE,
        "The demo model is missing from this installation: give the folder of a Z-Image pipeline with --model FOLDER.",
    )
