from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from transformers import Qwen3ForCausalLM

from consumer.engine.runtime.model import Model
from consumer.engine.runtime.text_encoder import encode

CPU = torch.device("cpu")
TEXTS = [tuple(range(5, 5 + length)) for length in (7, 20, 33, 70, 200)]


def stock(encoder: Any, text: tuple[int, ...]) -> torch.Tensor:
    """Return what the stock pipeline takes of a text, from all layers' states."""
    ids = torch.tensor([text])
    states = encoder(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True).hidden_states
    return torch.as_tensor(states[-2][0])


@pytest.fixture
def encoder(tiny: Model) -> Any:
    return copy.deepcopy(tiny.pipeline.text_encoder)


@pytest.mark.parametrize("text", TEXTS, ids=len)
@torch.no_grad()
def test_an_embedding_is_the_stock_one_to_the_bit(encoder: Any, text: tuple[int, ...]) -> None:
    """Without the last layer, the mask and the cache, the state before the last layer is the same."""
    assert torch.equal(encode(encoder, [text], CPU)[0], stock(encoder, text))


@torch.no_grad()
def test_texts_of_one_call_do_not_see_each_other(encoder: Any) -> None:
    """Together, each text has the embedding that it has alone, to rounding, and holds no other text's memory."""
    together = encode(encoder, TEXTS, CPU)
    for text, embedding in zip(TEXTS, together, strict=True):
        torch.testing.assert_close(embedding, stock(encoder, text), atol=1e-5, rtol=0)
        assert embedding.untyped_storage().nbytes() == embedding.nbytes


@torch.no_grad()
def test_the_last_layer_does_not_run(encoder: Any) -> None:
    """Its result would be thrown away. Afterwards the module is whole again, also after an error."""
    ran: list[int] = []
    for number, layer in enumerate(encoder.layers):
        layer.register_forward_hook(lambda *_, number=number: ran.append(number))
    encode(encoder, TEXTS[:1], CPU)
    assert ran == list(range(len(encoder.layers) - 1))
    with pytest.raises(IndexError):
        encode(encoder, [(10**6,)], CPU)
    ran.clear()
    stock(encoder, TEXTS[0])
    assert ran == list(range(len(encoder.layers)))


@torch.no_grad()
def test_an_encoder_with_a_head_gives_the_same(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A language model's logits, which nobody reads, are computed for one token only."""
    whole = Qwen3ForCausalLM(encoder.config).eval()
    whole.model.load_state_dict(encoder.state_dict())
    read: list[int] = []
    head = whole.lm_head.forward

    def noted(states: torch.Tensor) -> torch.Tensor:
        read.append(states.shape[1])
        return torch.as_tensor(head(states))

    monkeypatch.setattr(whole.lm_head, "forward", noted)
    assert torch.equal(encode(whole, TEXTS[:1], CPU)[0], encode(encoder, TEXTS[:1], CPU)[0])
    assert read == [1]
