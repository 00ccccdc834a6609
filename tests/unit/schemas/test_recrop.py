"""`image-recrop-requested`: which re-crops are read, and that everything else is refused with a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import ContractError, names
from schemas.reader import parse_request
from schemas.recrop import ImageRecropRequested

HEADERS = [
    ("content-type", b"application/json"),
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/cms"),
    ("ce_type", names.IMAGE_RECROP_REQUESTED.encode()),
]
LEAST: dict[str, Any] = {"article": {"id": "a-1", "revision": 8}, "picture": {"sha256": "0" * 64}}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
POINTS = st.fixed_dictionaries({"x": st.floats(0, 1), "y": st.floats(0, 1)})
SIDES = st.integers(1, 100_000)
BOXES = st.fixed_dictionaries(
    {"x": st.integers(0, 100_000), "y": st.integers(0, 100_000), "width": SIDES, "height": SIDES}
)
CROPS = st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9-]{0,39}\Z"), BOXES, max_size=40)


def read(data: object) -> Any:
    return parse_request(b"a-1", HEADERS, json.dumps(data).encode())[1]


def test_a_re_crop_needs_an_article_and_a_picture_alone() -> None:
    """Without a point or a crop the crops go back to where they were; the slot is the default one."""
    request = read(LEAST)

    assert isinstance(request, ImageRecropRequested)
    assert (request.article.id, request.article.revision, request.slot) == ("a-1", 8, "hero")
    assert (request.focal_point, request.crops) == (None, {})


@given(point=st.none() | POINTS, crops=CROPS)
def test_every_point_and_crop_within_bounds_is_read_as_it_was_written(
    point: dict[str, float] | None, crops: dict[str, Any]
) -> None:
    """Whether a crop fits is for the picture to tell, not for the contract."""
    request = read({**LEAST, "focal_point": point, "crops": crops})

    assert (request.focal_point and request.focal_point.model_dump()) == point
    assert {name: box.model_dump() for name, box in request.crops.items()} == crops


def test_too_many_crops_are_counted() -> None:
    """As entries of lists are."""
    box = {"x": 0, "y": 0, "width": 1, "height": 1}
    with pytest.raises(ContractError, match=r"`crops` has 41 entries: at most 40\."):
        read({**LEAST, "crops": {f"set-{number}": box for number in range(41)}})


@given(name=st.sampled_from(["picture", "focal_point", "crops", "slot", "article"]), value=VALUES)
def test_anything_else_is_refused_with_a_sentence(name: str, value: object) -> None:
    """Whatever stands in a field, the request is read or refused, with a field and a sentence: no other error."""
    try:
        request = read({**LEAST, name: value})
    except ContractError as error:
        assert error.message.endswith(".")  # noqa: PT017 - only where it is refused
        assert len(error.field or "") < 200  # noqa: PT017 - only where it is refused
    else:
        assert isinstance(request, ImageRecropRequested)


@pytest.mark.parametrize("version", ["2", "10"])
def test_a_newer_major_version_is_told_apart(version: str) -> None:
    """It is not guessed at."""
    newer = f"{names.TYPE_PREFIX}recrop-requested.v{version}".encode()
    with pytest.raises(ContractError, match="a newer major version than v1"):
        parse_request(b"a-1", [*HEADERS[:-1], ("ce_type", newer)], json.dumps(LEAST).encode())
