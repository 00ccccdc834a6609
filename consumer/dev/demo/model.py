"""What a reader of the demo must know about what painted its pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from consumer.engine.weights import CARD
from consumer.settings import EngineKind

if TYPE_CHECKING:
    from consumer.settings import EngineSettings

_CARDS = (
    "The swatch engine stands in for a model: it paints labelled colour cards. All around them is real: the "
    "events, the store, the recipes."
)


def caveat(engine: EngineSettings) -> str | None:
    """Return what the model's card remarks about its pictures; None where there is no card, or it says nothing."""
    if engine.kind is EngineKind.SWATCH:
        return _CARDS
    card = engine.model / CARD if engine.model else None
    if card is None or not card.is_file():
        return None
    remark = json.loads(card.read_bytes()).get("remark")
    return None if remark is None else str(remark)
