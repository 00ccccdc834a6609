"""`schemas.ignored`: which fields of a request are not known, and what they may have been meant for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import ImageRequested, names
from schemas.ignored import MOST_IGNORED, NOTHING_IGNORED, unknown_fields
from schemas.publish import Schema, event_schemas
from schemas.recrop import ImageRecropRequested

ARTICLE = {"id": "a-1", "revision": 7, "headline": "Storm"}
SCHEMA = event_schemas()[names.IMAGE_REQUESTED]


def paths(model: Schema, prefix: str = "") -> Iterator[str]:
    """Yield every path that the published schema knows."""
    for name, node in model["properties"].items():
        yield prefix + name
        for option in node.get("anyOf", [node]):
            inner = SCHEMA["$defs"].get(option.get("$ref", "").rpartition("/")[2], {})
            yield from paths(inner, f"{prefix}{name}.") if "properties" in inner else ()


KNOWN = list(paths(SCHEMA))


def meant(data: dict[str, Any]) -> dict[str, str | None]:
    """Return each unknown field with what it may have been meant for."""
    found = unknown_fields(data, ImageRequested)
    assert found.did_you_mean.keys() <= set(found.ignored)
    return {path: found.did_you_mean.get(path) for path in found.ignored}


def at(path: str, value: object = 1) -> dict[str, Any]:
    """Return data that have one value at a dotted path."""
    first, _, rest = path.partition(".")
    return {first: at(rest, value) if rest else value}


def test_a_request_of_known_fields_ignores_nothing() -> None:
    """Every field of the schema is known, also with the value null, and so is an unknown one that is null: absent."""
    for path in KNOWN:
        assert unknown_fields(at(path), ImageRequested) is NOTHING_IGNORED
    assert unknown_fields({"article": None, "mood": None}, ImageRequested) is NOTHING_IGNORED


def test_unknown_fields_are_named_in_the_order_of_the_document() -> None:
    """Each by its dotted path; an unknown object by itself, without what is in it."""
    data = {"otput": {"width": 64}, "article": ARTICLE | {"desk": 9}, "brief": {"negativePrompt": "x"}, "mood": "calm"}
    assert meant(data) == {
        "otput": "output",
        "article.desk": None,
        "brief.negativePrompt": "brief.negative_prompt",
        "mood": None,
    }
    assert list(meant(data)) == ["otput", "article.desk", "brief.negativePrompt", "mood"]


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("artcle", "article"),
        ("article.hedline", "article.headline"),
        ("article.bodyExcerpt", "article.body_excerpt"),
        ("article.body-excerpt", "article.body_excerpt"),
        ("article.ID", "article.id"),
        ("output.heigth", "output.height"),
        ("output.varaints", "output.variants"),
        ("generation.guidance", "generation.guidance_scale"),
        ("generation.guidanceScale", "generation.guidance_scale"),
        ("requestedBy", "requested_by"),
        ("Priority", "priority"),
        ("variants", "output.variants"),
        ("seed", "generation.seed"),
        ("prompt", "brief.prompt"),
        ("article.seed", "generation.seed"),
        ("generation.negative-prompt", "brief.negative_prompt"),
        ("stylePreset", "style.preset"),
        ("article_headline", "article.headline"),
    ],
)
def test_a_near_name_is_found(path: str, nearest: str) -> None:
    """Misspelled, in another case, at another level, or with its path in its name."""
    assert meant(at(path)) == {path: nearest}


def test_a_path_as_a_name_is_found() -> None:
    """Some serializers flatten objects so."""
    assert meant({"output.width": 64}) == {"output.width": "output.width"}


@pytest.mark.parametrize("path", ["mood", "article.desk", "article.uid", "weight", "x", "output.format", "cfg", "é"])
def test_what_is_not_near_is_not_guessed(path: str) -> None:
    """A wrong guess costs more than none."""
    (found,) = meant(at(path)).values()
    assert found is None


@given(st.sampled_from(KNOWN), st.data())
def test_one_wrong_letter_is_near(path: str, data: st.DataObject) -> None:
    """Of a name of six letters or more, any one may be missing, doubled or swapped with the next."""
    parent, dot, name = path.rpartition(".")
    if len(name) < 6:
        return
    place = data.draw(st.integers(1, len(name) - 2))
    start, letter, following, rest = name[:place], name[place], name[place + 1], name[place + 2 :]
    wrong = data.draw(
        st.sampled_from(
            [start + following + rest, start + letter * 2 + following + rest, start + following + letter + rest]
        )
    )
    if f"{parent}{dot}{wrong}" not in KNOWN:
        assert meant(at(f"{parent}{dot}{wrong}")) == {f"{parent}{dot}{wrong}": path}


def test_an_object_of_any_names_knows_them_all() -> None:
    """A re-crop's crops are named by the site: what stands under each name is checked."""
    data = {"crops": {"hero": {"width": 1, "wdith": 2}, "any": {"width": 1}}, "focalPoint": {}, "picture": {"sha": ""}}
    found = unknown_fields(data, ImageRecropRequested)
    assert found.ignored == ("crops.hero.wdith", "focalPoint", "picture.sha")
    assert found.did_you_mean == {"crops.hero.wdith": "crops.hero.width", "focalPoint": "focal_point"}


@pytest.mark.parametrize("data", [None, [], "text", 7, {}, {"article": "a-9", "brief": [{"promt": 1}]}])
def test_what_is_no_object_holds_no_fields(data: object) -> None:
    """The refusal says what is wrong with it."""
    assert unknown_fields(data, ImageRequested) is NOTHING_IGNORED


def test_thousands_of_unknown_fields_are_cut_short() -> None:
    """The first twenty are named."""
    data = {"article": {f"field-{number}": number for number in range(10_000)}, "mood": 1}
    assert meant(data) == {f"article.field-{number}": None for number in range(MOST_IGNORED)}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", '""'),
        ("\ud83d", "\\ud83d"),
        ("x" * 65_536, "x" * 40),
        ("a\nb\u202e", "a\\nb\\u202e"),
        ("größe", "gr\\xf6\\xdfe"),
    ],
)
def test_names_are_shown_safely(name: str, shown: str) -> None:
    """Short, in ASCII, on one line, and never empty."""
    assert list(meant({name: 1, "article": {name: 1}})) == [shown, f"article.{shown}"]


NAMES = st.text(max_size=60) | st.sampled_from([*KNOWN, *event_schemas(), "", "\ud800", "y" * 70_000])
DOCUMENTS = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=30),
    max_leaves=60,
)


@given(st.dictionaries(NAMES | st.sampled_from(["article", "output", "brief"]), DOCUMENTS, max_size=30))
def test_any_document_is_answered_briefly(data: dict[str, Any]) -> None:
    """Never an error, never long, always printable ASCII, and suggestions are fields of the contract."""
    found = unknown_fields(data, ImageRequested)
    assert len(found.ignored) <= MOST_IGNORED
    assert len(set(found.ignored)) == len(found.ignored)
    assert set(found.did_you_mean) <= set(found.ignored)
    told = json.dumps([found.ignored, dict(found.did_you_mean)], ensure_ascii=False)
    assert told.isascii()
    assert told.isprintable()
    assert len(told) < 20_000
    assert set(found.did_you_mean.values()) <= set(KNOWN)
