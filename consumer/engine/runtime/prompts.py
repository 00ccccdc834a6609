"""Prompts for the text encoder: chat template, tokens, embeddings and their cache."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

MAX_TOKENS = 512
"""Tokens that the encoder reads, template included, as in the stock pipeline; the rest is cut."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text as tokens, template included; `cut` if it was longer than the encoder reads."""

    tokens: tuple[int, ...]
    cut: bool


class PromptEncoder:
    """Tokenizes and embeds texts.

    Caches up to `cache_bytes` of embeddings on the device and evicts the least recently used. The cache belongs to one
    text encoder and ends with this object.
    """

    def __init__(self, pipeline: Any, cache_bytes: int) -> None:
        self._tokenizer = pipeline.tokenizer
        self._text_encoder = pipeline.text_encoder
        self._markers = _markers(pipeline.tokenizer)
        self._cache = _Embeddings(cache_bytes)

    def read(self, text: str) -> Prompt:
        """Return the text as tokens, without using the device.

        The template's markers are removed from the text first, so that no text can break out of its place in it.
        """
        message = {"role": "user", "content": without_markers(text, self._markers)}
        templated = self._tokenizer.apply_chat_template(
            [message], tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
        tokens = self._tokenizer(templated).input_ids
        return Prompt(tuple(tokens[:MAX_TOKENS]), cut=len(tokens) > MAX_TOKENS)

    def is_cached(self, prompt: Prompt) -> bool:
        """Return whether `embed` will find the prompt in the cache."""
        return prompt.tokens in self._cache

    def embed(self, prompt: Prompt, device: torch.device) -> torch.Tensor:
        """Return the embedding, tokens x width, in the text encoder's dtype: its last but one hidden state.

        Encoded alone and without padding: the encoder is causal, so neither a batch nor padding would change it.
        """
        embedding = self._cache.get(prompt.tokens)
        if embedding is None:
            ids = torch.tensor([prompt.tokens], device=device)
            states = self._text_encoder(
                input_ids=ids, attention_mask=torch.ones_like(ids, dtype=torch.bool), output_hidden_states=True
            ).hidden_states
            embedding = states[-2][0].clone()  # not a view: that would keep every layer's state in memory
            self._cache.put(prompt.tokens, embedding)
        return embedding


def _markers(tokenizer: Any) -> tuple[str, ...]:
    """Return the tokenizer's special tokens and those that look like one, such as `<think>`."""
    added = tokenizer.added_tokens_decoder.values()
    return tuple(token.content for token in added if token.special or token.content.startswith("<"))


def without_markers(text: str, markers: Sequence[str]) -> str:
    """Return `text` with every marker replaced by a space, also those that only form when another one is removed."""
    while any(marker in text for marker in markers):
        for marker in markers:
            text = text.replace(marker, " ")
    return text


class _Embeddings:
    """The most recently used embeddings that fit into `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[int, ...], torch.Tensor] = OrderedDict()

    def __contains__(self, tokens: tuple[int, ...]) -> bool:
        return tokens in self._entries

    def get(self, tokens: tuple[int, ...]) -> torch.Tensor | None:
        if tokens in self._entries:
            self._entries.move_to_end(tokens)
        return self._entries.get(tokens)

    def put(self, tokens: tuple[int, ...], embedding: torch.Tensor) -> None:
        self._entries[tokens] = embedding
        self._bytes += embedding.nbytes
        while self._bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= oldest.nbytes
