"""A request in flat fields, as the HTTP API before leadart had it, in the contract's words and back."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from schemas import Reason, defaults
from schemas.fields import GuidanceScale, Label, NegativePrompt, Seed, Side, Steps, Variants

PATHS = {
    "prompt": "brief.prompt",
    "negative_prompt": "brief.negative_prompt",
    "num_images": "output.variants",
    "steps": "generation.steps",
    "cfg_scale": "generation.guidance_scale",
    "width": "output.width",
    "height": "output.height",
    "seed": "generation.seed",
    "style_preset": "style.preset",
}
"""Each flat field's place in `image-requested`."""

ARTICLE_PREFIX = "generated-"
"""How the ids of articles begin that stand for a request without one."""


class FlatRequest(BaseModel):
    """A request without an article. Null equals absent; absent ones come from the style, then from the defaults."""

    model_config = ConfigDict(extra="ignore")

    prompt: Annotated[str, Field(min_length=1, max_length=2000, description="What to paint.")]
    negative_prompt: NegativePrompt | None = Field(
        None, description=f"What must not appear; absent: {defaults.NEGATIVE_PROMPT!r} and what the style adds."
    )
    num_images: Variants | None = Field(None, description="Number of pictures; absent: 1.")
    steps: Steps | None = Field(None, description=f"Denoising steps; absent: the style's, else {defaults.STEPS}.")
    cfg_scale: GuidanceScale | None = Field(
        None,
        description="The pipeline's `guidance_scale`, passed on as it is; absent: the style's, else "
        f"{defaults.GUIDANCE_SCALE}.",
    )
    width: Side | None = Field(None, description=f"Width in pixels; absent: the style's, else {defaults.WIDTH}.")
    height: Side | None = Field(None, description=f"Height in pixels; absent: the style's, else {defaults.HEIGHT}.")
    seed: Seed | None = Field(None, description="Seed of the noise; absent: derived from the request.")
    style_preset: Label = Field(None, description="A style of `GET /v1/styles`; absent: the site's default.")


def is_flat(body: Mapping[str, Any]) -> bool:
    """Return whether a body has flat fields: it names no article, and one of them."""
    return "article" not in body and not PATHS.keys().isdisjoint(body)


def request_of(flat: Mapping[str, Any], article_id: str) -> dict[str, Any]:
    """Return the request's data, about an article of its own. Unknown fields and nulls are left out."""
    data: dict[str, Any] = {"article": {"id": article_id, "revision": 1}, "priority": "interactive"}
    for name, path in PATHS.items():
        if flat.get(name) is not None:
            part, _, field = path.partition(".")
            data.setdefault(part, {})[field] = flat[name]
    return data


def in_flat_words(reason: str, message: str, field: str | None) -> tuple[str, str | None]:
    """Return an error's message and field with the flat names in place of the contract's."""
    if field == "article.headline" and reason == Reason.MISSING_FIELD:
        return "`prompt` is missing: fill it in.", "prompt"
    for name, path in PATHS.items():
        message = message.replace(f"`{path}`", f"`{name}`")
    return message, next((name for name, path in PATHS.items() if path == field), field)
