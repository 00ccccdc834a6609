from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.configuration_utils import FrozenDict

from consumer.engine.runtime.forward.choice import choose_forward, what_is_unknown
from consumer.engine.runtime.forward.kernels import PLAIN
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.forward.stock import StockForward
from consumer.engine.runtime.model import Model, load_pipeline
from consumer.errors import Fatal
from consumer.settings import ForwardKind
from schemas import Reason

PACKED = ForwardKind.PACKED


class Changed:
    """A transformer with another configuration or other parts."""

    def __init__(self, transformer: Any, config: dict[str, Any], parts: tuple[str, ...] = ()) -> None:
        self._transformer, self._parts = transformer, parts
        self.config = FrozenDict({**transformer.config, **config})

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
        ({"axes_dims": [8, 8, 8, 8]}, (), "axes_dims has 4 axes, not 3"),
        ({"gate": "sigmoid", "bias": False}, (), "it has settings of a later diffusers: gate is 'sigmoid'"),
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


@pytest.mark.parametrize(
    ("place", "part", "what"),
    [
        ("layers", "attention", r"the parts of attention differ: gate"),
        ("layers", "feed_forward", r"the parts of a feed-forward differ: gate"),
        ("context_refiner", "attention", r"the parts of attention differ: gate"),
    ],
)
def test_a_part_within_a_block_that_ours_would_leave_out_is_refused(
    tiny_model: Path, place: str, part: str, what: str
) -> None:
    """What a later diffusers adds inside of attention or the feed-forward would be skipped without a word."""
    transformer = load_pipeline(tiny_model, torch.device("cpu")).transformer
    getattr(getattr(transformer, place)[-1], part).add_module("gate", torch.nn.Identity())
    assert re.fullmatch(what, what_is_unknown(transformer))
