from __future__ import annotations

from random import Random
from typing import Any

import pytest

import captions
from captions import LANGUAGES, complete_prompt, loose_prompt, negative_prompts
from consumer.jobs import ModelIdentity, Paintable
from consumer.processing.prompting import make_plan
from consumer.processing.styles import load_styles
from scenes import ATTRIBUTES, CHOICES, random_scene
from schemas import ImageRequested

WORDS: dict[str, Any] = captions._WORDS


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_has_words(language: str) -> None:
    """Each value of each attribute can be said in each language."""
    missing = [(name, value) for name in ATTRIBUTES for value in CHOICES[name] if not WORDS[language][name].get(value)]

    assert missing == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_complete_prompt_tells_every_attribute(language: str) -> None:
    """Subject, colour, ground, size and place stand in it in one of their phrasings."""
    rng = Random(1)
    for scene in (random_scene(rng) for _ in range(200)):
        prompt = complete_prompt(scene, rng, language).lower()
        for name in ("subject", "colour", "ground", "size", "place"):
            words = [str(word).lower() for word in WORDS[language][name][getattr(scene, name)]]
            if name == "subject" and language == "zh":
                words = [word[1:] for word in words]
            assert any(word in prompt for word in words), (name, prompt)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_complete_prompt_is_in_the_styles_template(language: str) -> None:
    """It ends as the brief of an article in that style does."""
    rng = Random(2)
    for scene in (random_scene(rng) for _ in range(50)):
        template = load_styles().get(scene.style).prompt("", language)
        assert complete_prompt(scene, rng, language).endswith(template)


def test_negative_prompts_are_those_that_leadart_sends() -> None:
    """Each style's request without a negative prompt of its own gets one of them."""
    for style in load_styles().presets:
        request = ImageRequested.model_validate(
            {"article": {"id": "a", "revision": 1, "headline": "Storm"}, "style": {"preset": style}}
        )
        brief = make_plan(request, load_styles(), Paintable(ModelIdentity(name="demo", sha256="0" * 64)))
        assert brief.recipes[0].negative_prompt in negative_prompts()


def test_captions_are_deterministic() -> None:
    """The same state of the generator gives the same words."""
    scene = random_scene(Random(3))

    assert loose_prompt(scene, Random(4), "en") == loose_prompt(scene, Random(4), "en")
