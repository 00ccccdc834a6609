from __future__ import annotations

from random import Random
from typing import Any

import pytest

from captions import LANGUAGES, complete_prompt, loose_prompt, negative_prompts
from scenes import random_scene
from tokens import as_chat, build_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_tokenizer()


def test_most_captions_fit_into_one_block(tokenizer: Any) -> None:
    """Nine of ten captions, and every negative prompt, have at most the 32 tokens that the transformer pads to."""
    rng = Random(1)
    prompts = [
        say(random_scene(rng), rng, language)
        for say in (complete_prompt, loose_prompt)
        for language in LANGUAGES
        for _ in range(100)
    ]
    lengths = [len(tokenizer(as_chat(tokenizer, prompt)).input_ids) for prompt in prompts]

    assert sum(length <= 32 for length in lengths) >= 0.9 * len(lengths)
    assert all(len(tokenizer(as_chat(tokenizer, text)).input_ids) <= 32 for text in negative_prompts())


@pytest.mark.parametrize("text", ["Zürich’s Straßenbahn, 12 %", "台风逼近港口，渡轮全部停航", "🚲 & ☂"])
def test_every_text_has_tokens(tokenizer: Any, text: str) -> None:
    """Words that no caption knows are spelt out, and come back as they were."""
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_it_is_the_same_after_saving(tokenizer: Any, tmp_path: Any) -> None:
    """The saved tokenizer gives the same tokens, style sentences included."""
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    rng = Random(2)
    prompts = [complete_prompt(random_scene(rng), rng, language) for language in LANGUAGES for _ in range(20)]

    assert [again(as_chat(again, prompt)).input_ids for prompt in prompts] == [
        tokenizer(as_chat(tokenizer, prompt)).input_ids for prompt in prompts
    ]
