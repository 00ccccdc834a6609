"""Prompts for the text encoder: chat template, tokens, embeddings and their cache."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from consumer.engine.runtime.text_encoder import encode

MAX_TOKENS = 512
"""Tokens that the encoder reads, template included, as in the stock pipeline; the rest is cut."""

MAX_CALL_TOKENS = 2048
"""Tokens of several prompts in one call, padding included: up to about as many, a GPU waits for the weights anyway."""

Tokens = tuple[int, ...]
Embeddings = Mapping[Tokens, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text as tokens, template included; `cut` if it was longer than the encoder reads."""

    tokens: Tokens
    cut: bool


class PromptEncoder:
    """Tokenizes and embeds texts.

    Caches up to `cache_bytes` of embeddings on the device and evicts the least recently used. The cache belongs to one
    text encoder and ends with this object. `together` encodes several prompts in a call: on a GPU most of a call's time
    goes into launching it. An embedding then depends on its company, by rounding. On a CPU there is nothing to gain.
    """

    def __init__(self, pipeline: Any, cache_bytes: int, *, together: bool = False) -> None:
        self._tokenizer = pipeline.tokenizer
        self._text_encoder = pipeline.text_encoder
        self._markers = _markers(pipeline.tokenizer)
        self._cache = _Embeddings(cache_bytes)
        self._together = together

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

    def cached(self, prompts: Iterable[Prompt]) -> bool:
        """Return whether `embed` will find all prompts in the cache."""
        return all(prompt.tokens in self._cache for prompt in prompts)

    def embed(self, prompts: Iterable[Prompt], device: torch.device) -> dict[Tokens, torch.Tensor]:
        """Return each prompt's embedding, tokens x width, in the text encoder's dtype: its last but one hidden state.

        Encoded without padding, or with padding that no token sees: the encoder is causal.
        """
        wanted = {prompt.tokens for prompt in prompts}
        found = {tokens: embedding for tokens in wanted if (embedding := self._cache.get(tokens)) is not None}
        for call in self._calls(wanted - found.keys()):
            for tokens, embedding in zip(call, encode(self._text_encoder, call, device), strict=True):
                found[tokens] = embedding
                self._cache.put(tokens, embedding)
        return found

    def shrink(self) -> bool:
        """Encode one by one from now on; return False if that is so already."""
        shrunk, self._together = self._together, False
        return shrunk

    def _calls(self, texts: Iterable[Tokens]) -> Iterator[list[Tokens]]:
        """Yield the texts of each call: such as are nearly equally long, and bounded together."""
        call: list[Tokens] = []
        for text in sorted(texts, key=lambda tokens: (len(tokens), tokens)):
            if call and not (self._together and (len(call) + 1) * len(text) <= MAX_CALL_TOKENS):
                yield call
                call = []
            call.append(text)
        if call:
            yield call


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
        self._entries: OrderedDict[Tokens, torch.Tensor] = OrderedDict()

    def __contains__(self, tokens: Tokens) -> bool:
        return tokens in self._entries

    def get(self, tokens: Tokens) -> torch.Tensor | None:
        if tokens in self._entries:
            self._entries.move_to_end(tokens)
        return self._entries.get(tokens)

    def put(self, tokens: Tokens, embedding: torch.Tensor) -> None:
        self._entries[tokens] = embedding
        self._bytes += embedding.nbytes
        while self._bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= oldest.nbytes
