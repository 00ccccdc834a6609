"""The recipe's digest: pictures are found again by it, so it may only change when the pixels do."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from consumer.jobs import Adapter, ModelIdentity, Recipe
from tests.support.samples import RECIPE

_DIGITS = st.text("0123456789abcdef", min_size=64, max_size=64)
_SCALES = st.floats(-2, 2)
_ADAPTERS = st.builds(Adapter, name=st.text(max_size=5), sha256=_DIGITS, scale=_SCALES)
_LISTS = st.lists(_ADAPTERS, min_size=1, max_size=4).map(tuple)


def digest(*adapters: Adapter) -> str:
    return replace(RECIPE, adapters=adapters).digest


@pytest.mark.parametrize(
    ("renderer", "golden"),
    [
        ("1", "151ac10faf3b18a04f5ff9218ee5c687cca11bbc454d90d2ec06bfe1a04de472"),
        ("2", "f60ba09df774a19797b73c30c40bbb9a8f66cdfe012fb2b602e9ea485dcd1bcf"),
    ],
)
def test_a_recipe_without_adapters_keeps_its_digest(renderer: str, golden: str) -> None:
    """A golden value each: a change here would lose every picture that was made. Never change it; raise RENDERER."""
    assert replace(RECIPE, renderer=renderer).digest == golden


def test_a_recipe_with_adapters_keeps_its_digest() -> None:
    """A golden value of today's renderer, with two LoRAs."""
    recipe = replace(RECIPE, renderer="2", adapters=(Adapter("a", "a" * 64, 0.8), Adapter("b", "b" * 64)))
    assert recipe.digest == "f7acbe8f4defef708196f5781d08c0cc7d7512e4fb99ed72d8ceb08145ecd0fb"


@given(_LISTS, st.data())
def test_another_file_is_another_picture(adapters: tuple[Adapter, ...], data: st.DataObject) -> None:
    """Whichever of the LoRAs is another file, the recipe is another one."""
    index = data.draw(st.integers(0, len(adapters) - 1))
    other = data.draw(_DIGITS.filter(lambda sha256: sha256 != adapters[index].sha256))
    changed = (*adapters[:index], replace(adapters[index], sha256=other), *adapters[index + 1 :])
    assert digest(*changed) != digest(*adapters)


@given(_LISTS, st.data())
def test_another_strength_is_another_picture(adapters: tuple[Adapter, ...], data: st.DataObject) -> None:
    """However little the strength of one of them differs, the recipe is another one."""
    index = data.draw(st.integers(0, len(adapters) - 1))
    other = data.draw(_SCALES.filter(lambda scale: scale != adapters[index].scale))
    changed = (*adapters[:index], replace(adapters[index], scale=other), *adapters[index + 1 :])
    assert digest(*changed) != digest(*adapters)


@given(_LISTS)
def test_another_order_is_another_picture(adapters: tuple[Adapter, ...]) -> None:
    """LoRAs are added up in floating point, so their order decides the last digit of a pixel."""
    turned = tuple(reversed(adapters))
    assume([(one.sha256, one.scale) for one in turned] != [(one.sha256, one.scale) for one in adapters])
    assert digest(*turned) != digest(*adapters)


@given(_LISTS)
def test_one_more_is_another_picture(adapters: tuple[Adapter, ...]) -> None:
    """None, some and one fewer are recipes of their own."""
    assert len({digest(), digest(*adapters), digest(*adapters, adapters[0])}) == 3


@given(_LISTS, st.data())
def test_a_new_name_is_the_same_picture(adapters: tuple[Adapter, ...], data: st.DataObject) -> None:
    """A file that is renamed paints the same: its name is for people."""
    renamed = tuple(replace(adapter, name=data.draw(st.text(max_size=5))) for adapter in adapters)
    assert digest(*renamed) == digest(*adapters)


def test_the_coverage_is_the_same_picture() -> None:
    """What the house's checkpoint covers is already in the identity of the weights."""
    model = ModelIdentity(RECIPE.model.name, RECIPE.model.sha256, 0.5)
    assert replace(RECIPE, model=model).digest == RECIPE.digest


def test_quantised_weights_paint_another_picture() -> None:
    """A golden value: what rounded weights painted is never announced for the whole ones, nor the other way round."""
    model = replace(RECIPE.model, quantization="fp8")
    assert replace(RECIPE, renderer="2", model=model).digest == (
        "eecd5a332c84d3dd169f0e8a9e3104447469176c55672ef927cfe567931c9246"
    )


_OTHERS = {
    "prompt": "Ferries at sea",
    "negative_prompt": "clouds",
    "model": ModelIdentity("swatch", "1" * 64),
    "adapters": (Adapter("grain", "0" * 64),),
    "width": 528,
    "height": 528,
    "steps": 13,
    "guidance_scale": 2.5,
    "seed": 43,
    "style": "anime",
    "style_version": 4,
    "renderer": "0",
    "trimmed": (510, 512),
}


@pytest.mark.parametrize("field", [field.name for field in fields(Recipe)])
def test_every_field_decides_the_digest(field: str) -> None:
    """No field of a recipe, nor one that is added to it, is left out of its digest."""
    assert replace(RECIPE, **{field: _OTHERS[field]}).digest != RECIPE.digest  # type: ignore[arg-type]
