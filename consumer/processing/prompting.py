"""From a request to what the engine paints: prompt, text alternative, one recipe for each variant."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TypeVar

from consumer.errors import Rejected
from consumer.jobs import Adapter, Paintable, Recipe
from consumer.processing.alternative import alternative_of, article_language
from consumer.processing.styles import StylePreset, Styles
from consumer.processing.wording import subject_of, terms
from schemas import ImageRequested, Reason, defaults
from schemas.fields import SAFE_INTEGER
from schemas.sizes import painted

_NEGATIVE_LENGTH = 2000
_MAX_VARIANTS = 9  # of the contract: variations of a given seed are this far apart, so that they never share a picture

_Value = TypeVar("_Value", int, float)


@dataclass(frozen=True, slots=True)
class PaintPlan:
    """What a request paints; `recipes` in the order of the variants."""

    prompt: str
    alt: str
    recipes: tuple[Recipe, ...]
    style: StylePreset
    variation: int


def make_plan(request: ImageRequested, styles: Styles, paintable: Paintable, next_variation: int = 0) -> PaintPlan:
    """Return the plan; equal arguments give equal ones. `next_variation` is for a request that names none.

    An adapter of the style that the engine lacks is left out. Only the swatch engine lacks any: the others do not start
    without (`consumer.processing.styles.require_adapters`).

    A value of the request overrides the style's, the style's overrides the engine's default. Raises `Rejected` for an
    unknown style, for text without a word to paint, and for a size that is too large once the style has completed it.
    """
    style = styles.get(request.style.preset)
    subject, language = subject_of(request)
    if not subject:
        field = "article.headline" if request.article.headline else "brief.prompt"
        raise Rejected(Reason.MISSING_FIELD, f"`{field}` has no word that can be painted: write one.", field=field)
    prompt = style.prompt(subject, language)
    given = request.generation.variation
    variation = next_variation if given is None else given
    recipes = _recipes(request, style, prompt, paintable, variation)
    alt = alternative_of(style, subject, article_language(request.article, subject))
    return PaintPlan(prompt=prompt, alt=alt, recipes=recipes, style=style, variation=variation)


def _recipes(
    request: ImageRequested, style: StylePreset, prompt: str, paintable: Paintable, variation: int
) -> tuple[Recipe, ...]:
    size = _size(request, style)
    width, height = (painted(side) for side in size)
    options, loaded = request.generation, paintable.adapters
    first = Recipe(
        prompt=prompt,
        negative_prompt=_negative_prompt(request, style),
        model=paintable.model,
        adapters=tuple(Adapter(a.name, loaded[a.name], a.scale) for a in style.adapters if a.name in loaded),
        width=width,
        height=height,
        steps=_first(options.steps, style.steps, defaults.STEPS),
        guidance_scale=_first(options.guidance_scale, style.guidance_scale, defaults.GUIDANCE_SCALE),
        seed=_seed(request, variation, 0),
        style=style.name,
        style_version=style.version,
        trimmed=None if size == (width, height) else size,
    )
    return first, *(
        replace(first, seed=_seed(request, variation, index)) for index in range(1, request.output.variants)
    )


def _first(requested: _Value | None, styled: _Value | None, default: _Value) -> _Value:
    if requested is not None:
        return requested
    return default if styled is None else styled


def _size(request: ImageRequested, style: StylePreset) -> tuple[int, int]:
    if (problem := request.output.size_problem(style.size)) is not None:
        field, sentence = problem
        message = f"`output.{field}` {sentence} (the style {style.name} fills in what the request leaves out)."
        raise Rejected(Reason.INVALID_FIELD, message, field=f"output.{field}")
    return request.output.size(style.size)


def _negative_prompt(request: ImageRequested, style: StylePreset) -> str:
    """Return the request's own, or the engine's default and the style's together, after what to avoid.

    That comes first so that it is never cut off for length.
    """
    own = request.brief.negative_prompt
    usual = [defaults.NEGATIVE_PROMPT, style.negative] if own is None else [own]
    return terms([*request.brief.avoid, *usual], _NEGATIVE_LENGTH)


def _seed(request: ImageRequested, variation: int, index: int) -> int:
    """Return the seed of one variant, at most 2**53 - 1, which JavaScript reads exactly.

    A given seed is that of the first variant of variation 0, and further ones count up from it. Without one, the seed
    depends on article, slot, variation and variant alone, so that a replay paints the same picture.
    """
    given = request.generation.seed
    if given is not None:
        return (given + variation * _MAX_VARIANTS + index) % (SAFE_INTEGER + 1)
    identity = json.dumps([request.article.id, request.output.slot, variation, index])
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8]) >> 11
