from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.jobs import Adapter, Master, ModelIdentity, Recipe
from consumer.storage import Manifest, manifest_key, stored_picture

_TEXT = st.text(st.characters(codec="utf-8"))
_SIZES = st.integers(16, 4096)
_RECIPES = st.builds(
    Recipe,
    prompt=_TEXT,
    negative_prompt=_TEXT,
    model=st.builds(ModelIdentity, name=_TEXT, sha256=_TEXT),
    adapters=st.lists(st.builds(Adapter, name=_TEXT, sha256=_TEXT, scale=st.floats(0, 2)), max_size=3).map(tuple),
    width=_SIZES,
    height=_SIZES,
    steps=st.integers(1, 100),
    guidance_scale=st.floats(0, 30),
    seed=st.integers(0, 2**64 - 1),
    style=_TEXT,
    style_version=st.integers(1, 1000),
)

# As the first version wrote it: it stays readable for ever. Never change it, add another beside it.
_FIRST = """{
 "format": 1,
 "recipe": {"prompt": "Storm \u6cb9\u753b", "negative_prompt": "text", "model": {"name": "swatch", "sha256": "00"},
            "adapters": [], "width": 256, "height": 512, "steps": 12, "guidance_scale": 2.0, "seed": 7,
            "style": "oil_painting", "style_version": 1, "renderer": "1"},
 "picture": {"key": "pictures/76/76.png", "sha256": "76", "bytes_": 3, "media_type": "image/png", "width": 256,
             "height": 512, "seed": 7, "recipe": "18"},
 "created": "2026-11-23T03:00:00Z",
 "leadart": "0.1.0"
}"""

# As a manifest with a single rendition is written, byte for byte: other workers and tools read it.
_SINGLE = """{
 "format": 1,
 "recipe": {
  "prompt": "Storm 油画",
  "negative_prompt": "text",
  "model": {
   "name": "swatch",
   "sha256": "00",
   "coverage": null
  },
  "adapters": [],
  "width": 256,
  "height": 512,
  "steps": 12,
  "guidance_scale": 2.0,
  "seed": 7,
  "style": "oil_painting",
  "style_version": 1,
  "renderer": "1"
 },
 "picture": {
  "key": "pictures/76/76.png",
  "sha256": "76",
  "bytes_": 3,
  "media_type": "image/png",
  "width": 256,
  "height": 512,
  "seed": 7,
  "recipe": "18",
  "prompt_cut": false
 },
 "created": "2026-11-23T03:00:00Z",
 "leadart": "0.1.0"
}"""


@given(_RECIPES, st.booleans())
def test_a_recipe_survives_its_manifest(recipe: Recipe, prompt_cut: bool) -> None:  # noqa: FBT001 - drawn
    """A recipe read back from a manifest is the same recipe, to the last digit: it has the same digest."""
    picture = stored_picture(recipe, Master(b"1", "image/webp", recipe.width, recipe.height, prompt_cut))
    manifest = Manifest(recipe=recipe, picture=picture, created=datetime.now(UTC), leadart="1.0")

    again = Manifest.model_validate_json(manifest.model_dump_json())

    assert again == manifest
    assert again.recipe.digest == recipe.digest


def test_the_first_manifest_is_still_read() -> None:
    """A manifest written by the first version is read as that version meant it."""
    manifest = Manifest.model_validate_json(_FIRST)

    assert manifest.recipe.prompt == "Storm 油画"
    assert asdict(manifest.picture) == {
        "key": "pictures/76/76.png",
        "sha256": "76",
        "bytes_": 3,
        "media_type": "image/png",
        "width": 256,
        "height": 512,
        "seed": 7,
        "recipe": "18",
        "prompt_cut": False,
    }


def test_a_manifest_is_written_as_always() -> None:
    """A manifest has the bytes that it had in the first version."""
    assert Manifest.model_validate_json(_FIRST).model_dump_json(indent=1) == _SINGLE


def test_a_later_manifest_may_say_more() -> None:
    """Fields of a later version are ignored as long as the format is the same."""
    assert Manifest.model_validate_json(_FIRST.replace('"format": 1,', '"format": 1, "cost": 3,'))


@pytest.mark.parametrize("change", ['"format": 2,', '"format": null,'])
def test_another_format_is_not_guessed_at(change: str) -> None:
    """A manifest in a format this version does not know is refused."""
    with pytest.raises(ValidationError):
        Manifest.model_validate_json(_FIRST.replace('"format": 1,', change))


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [("image/png", "png"), ("image/jpeg", "jpg"), ("image/webp", "webp"), ("image/avif", "avif")],
)
def test_keys_spread_and_carry_the_suffix(media_type: str, suffix: str) -> None:
    """A key has the first two digits of the SHA-256, all of them, and the suffix of the media type."""
    recipe = Manifest.model_validate_json(_FIRST).recipe
    picture = stored_picture(recipe, Master(b"x", media_type, 1, 1))

    assert picture.key == f"pictures/2d/{picture.sha256}.{suffix}"
    assert manifest_key("abcdef") == "manifests/ab/abcdef.json"
