"""Prompts as the text encoder reads them: the chat template around them, tokens, embeddings, and what is remembered."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TOKENS = 512
"""Tokens that the encoder reads, template included, as in the stock pipeline; what is beyond is cut."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text as tokens, template included; `cut` when the text was longer than the encoder reads."""

    tokens: tuple[int, ...]
    cut: bool


class PromptEncoder:
    """Reads texts and embeds them; equal texts are embedded once, while they are remembered.

    Remembers up to `cache_bytes` of embeddings on the device, the least recently used goes first. They are those of
    one text encoder and end with this object.
    """

    def __init__(self, pipeline: Any, cache_bytes: int) -> None:
        self._tokenizer = pipeline.tokenizer
        self._text_encoder = pipeline.text_encoder
        self._markers = _markers(pipeline.tokenizer)
        self._remembered = _Embeddings(cache_bytes)

    def read(self, text: str) -> Prompt:
        """Return the text as tokens. Costs no time on the device.

        The template's own markers are taken out of the text first, so that no text can leave its place in it.
        """
        message = {"role": "user", "content": without_markers(text, self._markers)}
        templated = self._tokenizer.apply_chat_template(
            [message], tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
        tokens = self._tokenizer(templated).input_ids
        return Prompt(tuple(tokens[:MAX_TOKENS]), cut=len(tokens) > MAX_TOKENS)

    def remembers(self, prompt: Prompt) -> bool:
        """Return whether `embed` costs nothing."""
        return prompt.tokens in self._remembered

    def embed(self, prompt: Prompt, device: torch.device) -> torch.Tensor:
        """Return the embedding, tokens x width, in the text encoder's dtype: its last but one hidden state.

        Encoded by itself and without padding: the encoder is causal, so that no company and no padding would show.
        """
        embedding = self._remembered.get(prompt.tokens)
        if embedding is None:
            ids = torch.tensor([prompt.tokens], device=device)
            states = self._text_encoder(
                input_ids=ids, attention_mask=torch.ones_like(ids, dtype=torch.bool), output_hidden_states=True
            ).hidden_states
            embedding = states[-2][0].clone()  # not a view: that would keep every layer's state in memory
            self._remembered.put(prompt.tokens, embedding)
        return embedding


def _markers(tokenizer: Any) -> tuple[str, ...]:
    """Return what is no text to the tokenizer: special tokens, and what is written like one, such as `<think>`."""
    added = tokenizer.added_tokens_decoder.values()
    return tuple(token.content for token in added if token.special or token.content.startswith("<"))


def without_markers(text: str, markers: Sequence[str]) -> str:
    """Return `text` with every marker replaced by a space, also those that only appear when another one is gone."""
    while any(marker in text for marker in markers):
        for marker in markers:
            text = text.replace(marker, " ")
    return text


class _Embeddings:
    """The most recently used embeddings that fit into `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[int, ...], torch.Tensor] = OrderedDict()

    def __contains__(self, tokens: tuple[int, ...]) -> bool:
        return tokens in self._kept

    def get(self, tokens: tuple[int, ...]) -> torch.Tensor | None:
        if tokens in self._kept:
            self._kept.move_to_end(tokens)
        return self._kept.get(tokens)

    def put(self, tokens: tuple[int, ...], embedding: torch.Tensor) -> None:
        self._kept[tokens] = embedding
        self._bytes += embedding.nbytes
        while self._bytes > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.nbytes
