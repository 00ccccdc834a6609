"""The tokenizer: Qwen's class and chat template over a small vocabulary learnt from the captions' own phrases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer

from captions import LANGUAGES, negative_prompts, phrases
from consumer.dev.demo.articles import load_edition
from consumer.processing.styles import load_styles

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPECIAL = ("<|im_start|>", "<|im_end|>", "<|im_start|>user\n", "<|im_start|>assistant\n", "<|im_end|>\n")
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_VOCABULARY = 3800
_OFTEN = 40


def build_tokenizer() -> Any:
    """Return the tokenizer; every Unicode text has tokens, and a word that captions use is one of them.

    It learns from phrases, not from whole captions: Chinese has no spaces, and no token may reach over two words. The
    sentence of each style template is one token, so that most captions fit into the 32 that the transformer pads to.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = Qwen2Tokenizer(vocab={"<|endoftext|>": 0}, merges=[]).backend_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY, initial_alphabet=alphabet, show_progress=False, special_tokens=["<|endoftext|>"]
    )
    learner.train_from_iterator(_texts(), trainer)
    model = json.loads(learner.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]], chat_template=_CHAT_TEMPLATE
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(_SPECIAL)})
    tokenizer.add_tokens([AddedToken(text.strip(), normalized=False, lstrip=True) for text in _templates()])
    return tokenizer


def as_chat(tokenizer: Any, prompt: str) -> str:
    """Return the prompt as the pipeline hands it to the tokenizer."""
    text: str = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=True
    )
    return text


def _texts() -> Iterator[str]:
    for text in [
        *phrases(),
        *_templates(),
        *negative_prompts(),
        "user\n",
        "assistant\n",
        "\n",
        ",",
        ".",
        "，",
        "。",
        "、",
    ]:
        yield from ([text, text.capitalize(), f" {text}"] if text.isascii() else [text] * 3) * _OFTEN
    for save in load_edition():
        article = save.article
        yield from (str(article.get(key, "")) for key in ("headline", "summary", "body_excerpt"))


def _templates() -> list[str]:
    """Return the sentence that each style puts behind a subject and its full stop."""
    presets = load_styles().presets.values()
    return [style.prompt("", language).lstrip(". 。") for style in presets for language in LANGUAGES]
