from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from consumer.jobs import Adapter, Focus, Master, ModelIdentity, PaintedFor, Recipe
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
    trimmed=st.none() | st.tuples(_SIZES, _SIZES),
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

# As the first version's is written today, byte for byte: other workers and tools read it.
_AGAIN = """{
 "format": 1,
 "recipe": {
  "prompt": "Storm 油画",
  "negative_prompt": "text",
  "model": {
   "name": "swatch",
   "sha256": "00",
   "coverage": null,
   "quantization": null
  },
  "adapters": [],
  "width": 256,
  "height": 512,
  "steps": 12,
  "guidance_scale": 2.0,
  "seed": 7,
  "style": "oil_painting",
  "style_version": 1,
  "renderer": "1",
  "trimmed": null
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
  "prompt_cut": false,
  "focus": null
 },
 "asked": null,
 "created": "2026-11-23T03:00:00Z",
 "leadart": "0.1.0"
}"""


_SHARES = st.floats(0, 1)
_MASTERS = st.builds(
    Master,
    data=st.binary(),
    media_type=st.just("image/png"),
    width=_SIZES,
    height=_SIZES,
    prompt_cut=st.booleans(),
    focus=st.none() | st.builds(Focus, x=_SHARES, y=_SHARES, spread=_SHARES),
)
_ASKED = st.builds(PaintedFor, alt=_TEXT, variation=st.integers(0, 999), variants=st.integers(1, 9))


@dataclass(frozen=True)
class EarlierStoredPicture:
    """A picture as the version before renditions knew it. Never change it: such workers run beside these."""

    key: str
    sha256: str
    bytes_: int
    media_type: str
    width: int
    height: int
    seed: int
    recipe: str
    prompt_cut: bool = False


@dataclass(frozen=True)
class EarlierRecipe:
    """A recipe as the version before exact sizes knew it. Never change it either."""

    prompt: str
    negative_prompt: str
    model: ModelIdentity
    adapters: tuple[Adapter, ...]
    width: int
    height: int
    steps: int
    guidance_scale: float
    seed: int
    style: str
    style_version: int
    renderer: str


class EarlierManifest(BaseModel):
    """A manifest as that version knew it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    recipe: EarlierRecipe
    picture: EarlierStoredPicture
    created: AwareDatetime
    leadart: str


@given(_RECIPES, _MASTERS, st.none() | _ASKED)
def test_a_recipe_survives_its_manifest(recipe: Recipe, master: Master, asked: PaintedFor | None) -> None:
    """What is read back from a manifest is the same, to the last digit: the recipe has the same digest."""
    picture = stored_picture(recipe, master)
    manifest = Manifest(recipe=recipe, picture=picture, asked=asked, created=datetime.now(UTC), leadart="1.0")

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
        "focus": None,
        "painted_for": None,
    }
    assert manifest.asked is None


def test_a_manifest_is_written_as_always() -> None:
    """A manifest has the bytes that it had in the first version, and what came since."""
    assert Manifest.model_validate_json(_FIRST).model_dump_json(indent=1) == _AGAIN


@given(_RECIPES, _MASTERS, _ASKED)
def test_earlier_workers_read_the_manifests_of_today(recipe: Recipe, master: Master, asked: PaintedFor) -> None:
    """During an upgrade a worker of before finds the same picture in a manifest that says more."""
    picture = stored_picture(recipe, master)
    manifest = Manifest(recipe=recipe, picture=picture, asked=asked, created=datetime.now(UTC), leadart="1.0")

    read = EarlierManifest.model_validate_json(manifest.model_dump_json(indent=1))

    known, painted = asdict(picture), asdict(recipe)
    del known["focus"], known["painted_for"], painted["trimmed"]
    assert asdict(read.picture) == known
    assert asdict(read.recipe) == painted


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
