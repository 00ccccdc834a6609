"""Access to the model's folder, and the errors that name it."""

import json
from pathlib import Path
from typing import Any

from consumer.engine.weights.header import require_regular
from consumer.engine.weights.refusal import some
from consumer.errors import Fatal
from schemas import Reason

CARD = "leadart.json"
"""Our file in a model's folder: the model's `name`, and a `remark` on what to expect of its pictures."""


def unavailable(folder: Path, what: str) -> Fatal:
    """Return the error for a model folder, with the remedy."""
    remedy = "Set LEADART_ENGINE__MODEL to the folder of a Z-Image pipeline saved as safetensors."
    return Fatal(Reason.MODEL_UNAVAILABLE, f"The model folder {folder} {what}. {remedy}")


def incomplete(folder: Path, part: str, missing: list[str]) -> Fatal:
    """Return the error for a folder whose own weights lack tensors of a part."""
    return unavailable(folder, f"lacks {len(missing)} tensors of its {part}: {some(missing)}")


def visible(folder: Path) -> list[Path]:
    """Return the folder's entries by name, without hidden ones, which some systems add."""
    return sorted(file for file in folder.iterdir() if not file.name.startswith("."))


def read_json(folder: Path, name: str) -> dict[str, Any] | None:
    """Return the JSON object in a file of the folder: {} for other JSON, None without the file. Raises Fatal."""
    try:
        require_regular(folder / name)
        content = json.loads((folder / name).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise unavailable(folder, f"has an unreadable {name}: {error}") from error
    return content if isinstance(content, dict) else {}
