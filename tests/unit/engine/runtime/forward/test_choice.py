from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from consumer.engine.runtime.forward.choice import choose_forward, what_is_unknown
from consumer.engine.runtime.forward.kernels import PLAIN
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.forward.stock import StockForward
from consumer.engine.runtime.model import Model
from consumer.errors import Fatal
from consumer.settings import ForwardKind
from schemas import Reason

PACKED = ForwardKind.PACKED


class Changed:
    """A transformer with another configuration or other parts."""

    def __init__(self, transformer: Any, config: dict[str, Any], parts: tuple[str, ...] = ()) -> None:
        self._transformer, self._parts = transformer, parts
        self.config = SimpleNamespace(**{**transformer.config, **config})
        self.config.get = lambda name: getattr(self.config, name, None)

    def __getattr__(self, name: str) -> Any:
        """Return the transformer's own."""
        return getattr(self._transformer, name)

    def named_children(self) -> list[tuple[str, Any]]:
        """Return its parts and the added ones."""
        return [*self._transformer.named_children(), *((part, None) for part in self._parts)]


def test_the_shipped_transformer_is_known(tiny: Model) -> None:
    """A Z-Image as diffusers builds it is painted with our forward pass."""
    assert what_is_unknown(tiny.transformer) == ""
    assert isinstance(choose_forward(tiny.transformer, PACKED, PLAIN, resident=True, movable=True), PackedForward)


@pytest.mark.parametrize(
    ("changes", "parts", "what"),
    [
        ({"all_patch_size": (1, 2)}, (), r"all_patch_size is \(1, 2\)"),
        ({"qk_norm": False}, (), "qk_norm is False"),
        ({"siglip_feat_dim": 1152}, (), "siglip_feat_dim is 1152"),
        ({"n_kv_heads": 1}, (), "n_kv_heads is 1"),
        ({}, ("control_layers",), "its parts differ: control_layers"),
    ],
)
def test_an_unknown_transformer_is_refused_in_words(
    tiny: Model, changes: dict[str, Any], parts: tuple[str, ...], what: str
) -> None:
    """A model of a later diffusers is not painted wrongly: the error says what differs and what to set."""
    transformer = Changed(tiny.transformer, changes, parts)
    with pytest.raises(Fatal, match=f"{what}.*LEADART_ENGINE__FORWARD=stock") as fatal:
        choose_forward(transformer, PACKED, PLAIN, resident=True, movable=True)
    assert fatal.value.reason is Reason.MODEL_UNAVAILABLE
    assert isinstance(choose_forward(transformer, ForwardKind.STOCK, PLAIN, resident=True, movable=True), StockForward)


def test_weights_moved_layer_by_layer_take_the_stock_forward(tiny: Model) -> None:
    """Hooks on layers wait for the module's own forward pass."""
    assert isinstance(choose_forward(tiny.transformer, PACKED, PLAIN, resident=False, movable=False), StockForward)
