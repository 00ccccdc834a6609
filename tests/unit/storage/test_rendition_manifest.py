from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.renditions import (
    Crop,
    EncodedRenditions,
    FocalPoint,
    Rendition,
    RenditionFormat,
    RenditionOrder,
    RenditionSet,
    TooWide,
)
from consumer.storage import RenditionManifest, rendition_manifest_key, stored_picture, stored_renditions
from schemas.pictures import FocalSource
from tests.support.samples import MADE, MASTER, ORDER, RECIPE

_TEXT = st.text(st.characters(codec="utf-8"))
_COUNTS = st.integers(0, 1 << 31)
_CROPS = st.builds(Crop, x=_COUNTS, y=_COUNTS, width=_COUNTS, height=_COUNTS)
_RENDITIONS = st.builds(
    Rendition,
    name=_TEXT,
    set=_TEXT,
    data=st.binary(),
    media_type=st.sampled_from([each.media_type for each in RenditionFormat]),
    width=_COUNTS,
    height=_COUNTS,
    crop=_CROPS,
)
_MADE = st.builds(
    EncodedRenditions,
    renditions=st.lists(_RENDITIONS, max_size=4).map(tuple),
    missing=st.lists(st.builds(TooWide, name=_TEXT, set=_TEXT, width=_COUNTS, largest=_COUNTS), max_size=3).map(tuple),
    thumbhash=_TEXT,
    dominant_colour=_TEXT,
)
_ORDERS = st.builds(
    RenditionOrder,
    sets=st.lists(
        st.builds(RenditionSet, name=_TEXT, ratio=st.none(), widths=st.just((320,)), encodings=st.just(())), max_size=3
    ).map(tuple),
    focal_point=st.builds(FocalPoint, x=st.floats(0, 1), y=st.floats(0, 1), source=st.sampled_from(FocalSource)),
    crops=st.dictionaries(_TEXT, _CROPS, max_size=3),
)
_PICTURE = stored_picture(RECIPE, MASTER)
_WHEN = datetime(2026, 11, 30, tzinfo=UTC)


def _manifest() -> RenditionManifest:
    return RenditionManifest.of(_PICTURE, ORDER, stored_renditions(MADE), _WHEN, "1.0")


@given(_MADE, _ORDERS)
def test_renditions_survive_their_manifest(made: EncodedRenditions, order: RenditionOrder) -> None:
    """What is read back from a manifest is what was stored, to the last digit."""
    stored = stored_renditions(made)
    manifest = RenditionManifest.of(_PICTURE, order, stored, datetime.now(UTC), "1.0")

    again = RenditionManifest.model_validate_json(manifest.model_dump_json(indent=1))

    assert again == manifest
    assert again.stored == stored
    assert again.belongs_to(_PICTURE, order)


def test_objects_are_named_by_their_bytes() -> None:
    """A rendition's key is made as a master's: from its SHA-256 and the suffix of its media type."""
    stored = stored_renditions(MADE).renditions

    assert [each.key for each in stored] == [
        f"pictures/{file.sha256[:2]}/{file.sha256}.{file.media_type.removeprefix('image/')}" for file in MADE.renditions
    ]
    assert [each.bytes_ for each in stored] == [len(file.data) for file in MADE.renditions]


def test_a_manifest_is_named_by_what_was_ordered_of_which_master() -> None:
    """Another order, or another master of the same recipe, has a manifest of its own."""
    assert rendition_manifest_key(_PICTURE, ORDER) == (
        f"manifests/{RECIPE.digest[:2]}/{RECIPE.digest}/{ORDER.digest}-{MASTER.sha256[:16]}.json"
    )


def test_racing_writers_agree() -> None:
    """Two manifests of the same files differ in nothing but when and by whom they were written."""
    other = RenditionManifest.of(_PICTURE, ORDER, stored_renditions(MADE), datetime.now(UTC), "2.0")
    ours, theirs = (json.loads(each.model_dump_json()) for each in (_manifest(), other))

    assert {name for name in ours if ours[name] != theirs[name]} == {"created", "leadart"}


def test_a_later_manifest_may_say_more() -> None:
    """Fields of a later version are ignored as long as the format is the same."""
    text = json.loads(_manifest().model_dump_json())

    assert RenditionManifest.model_validate(text | {"vouched_by": "somebody"}) == _manifest()
    with pytest.raises(ValidationError):
        RenditionManifest.model_validate(text | {"format": 2})


@pytest.mark.parametrize("field", ["recipe", "master", "order"])
def test_a_manifest_of_something_else_is_told_apart(field: str) -> None:
    """After a mixed-up restore the key says one thing and the manifest another."""
    other = _manifest().model_copy(update={field: "0" * 64})

    assert not other.belongs_to(_PICTURE, ORDER)
