"""`schemas.requested` and `schemas.reader`: which requests are valid, and how errors are reported."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import ContractError, ImageRequested, Priority, Reason, RequestReason
from schemas.reader import explain
from schemas.sizes import MAX_PIXELS, SIZE_BOUNDS

SMALLEST: dict[str, Any] = {"article": {"id": "a-1", "revision": 7, "headline": "Storm"}}


def changed(path: str, value: object) -> dict[str, Any]:
    data = copy.deepcopy(SMALLEST)
    *parents, last = path.split(".")
    node = data
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    return data


def refusal(data: object) -> ContractError:
    with pytest.raises(ValidationError) as caught:
        ImageRequested.model_validate(data)
    return explain(caught.value)


def test_three_fields_are_enough() -> None:
    """Everything but the article's id, revision and headline has a default."""
    request = ImageRequested.model_validate(SMALLEST)
    assert (request.output.slot, request.output.variants, request.generation.variation) == ("hero", 1, None)
    assert (request.article.locale, request.article.tags) == ("en", ())
    assert (request.reason, request.priority) == (RequestReason.SAVE, Priority.NORMAL)


def test_what_the_style_may_decide_stays_open() -> None:
    """A dial that the request does not set is None, so that the style's and the engine's defaults can follow."""
    request = ImageRequested.model_validate(SMALLEST)
    assert (request.output.width, request.output.height) == (None, None)
    assert request.generation.model_dump(exclude={"variation"}) == {"steps": None, "guidance_scale": None, "seed": None}
    assert (request.style.preset, request.brief.prompt, request.brief.negative_prompt) == (None, None, None)


NULLABLE = [
    *("brief", "style", "output", "generation", "reason", "priority", "requested_by", "parent_image_id"),
    *("changed_fields", "article.url", "article.locale", "article.section", "article.standfirst", "article.summary"),
    *("article.body_excerpt", "article.tags", "article.status", "article.author", "brief.prompt"),
    *("brief.negative_prompt", "brief.subject_hints", "brief.avoid", "style.preset", "output.slot"),
    *("output.variants", "output.width", "output.height", "generation.steps", "generation.guidance_scale"),
    *("generation.seed", "generation.variation"),
]


@pytest.mark.parametrize("path", NULLABLE)
def test_null_is_absent(path: str) -> None:
    """An explicit null gives the same request as leaving the field out."""
    assert ImageRequested.model_validate(changed(path, None)) == ImageRequested.model_validate(SMALLEST)


@pytest.mark.parametrize("path", ["article.url", "article.summary", "brief.prompt", "style.preset", "requested_by"])
def test_blank_text_is_absent(path: str) -> None:
    """A form's empty field gives the same request as leaving the field out."""
    assert ImageRequested.model_validate(changed(path, " \n")) == ImageRequested.model_validate(SMALLEST)


def test_an_empty_negative_prompt_is_kept() -> None:
    """It excludes nothing, which is not the same as being absent."""
    assert ImageRequested.model_validate(changed("brief.negative_prompt", "")).brief.negative_prompt == ""


def test_text_is_trimmed() -> None:
    """White space around a text does not change the picture."""
    assert ImageRequested.model_validate(changed("article.headline", " Storm\n")).article.headline == "Storm"


def test_unknown_fields_are_ignored() -> None:
    """A newer publisher can talk to an older worker, at every depth."""
    data = changed("article.desk", {"id": 1}) | {"mood": "calm"}
    assert ImageRequested.model_validate(data) == ImageRequested.model_validate(SMALLEST)


def test_a_prompt_replaces_the_headline() -> None:
    """Either of the two says what to paint."""
    data = {"article": {"id": "a-1", "revision": 7}, "brief": {"prompt": "A lighthouse"}}
    assert ImageRequested.model_validate(data).brief.prompt == "A lighthouse"


@pytest.mark.parametrize("headline", [None, "", "  "])
def test_without_headline_and_prompt_there_is_nothing_to_paint(headline: str | None) -> None:
    """The message names both fields that would help."""
    error = refusal(changed("article.headline", headline))
    assert (error.reason, error.field) == (Reason.MISSING_FIELD, "article.headline")
    assert "`brief.prompt`" in error.message


@pytest.mark.parametrize("path", ["article", "article.id", "article.revision"])
def test_a_required_field_that_is_missing_or_null_is_named(path: str) -> None:
    """Null and absent are the same here too."""
    gone = changed(path, None)
    assert (refusal(gone).reason, refusal(gone).field) == (Reason.MISSING_FIELD, path)
    assert refusal({}).message == "`article` is missing: fill it in."


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("article.id", "文章-2077"),
        ("article.id", "urn:uuid:1f0e 7"),
        ("article.id", "x" * 200),
        ("article.revision", 0),
        ("article.revision", 2**53 - 1),
        ("article.revision", 7.0),
        ("article.locale", "zh-Hans"),
        ("article.locale", "en_GB"),
        ("article.tags", ["x" * 100] * 50),
        ("article.headline", "x" * 500),
        ("brief.prompt", "x" * 2000),
        ("output.slot", "section-front-2"),
        ("output.variants", 9),
        ("output.width", 64),
        ("output.height", 2048),
        ("generation.steps", 100),
        ("generation.guidance_scale", 0),
        ("generation.guidance_scale", 20.0),
        ("generation.seed", 2**53 - 1),
        ("generation.variation", 999),
        ("reason", "backfill"),
        ("priority", "interactive"),
    ],
)
def test_values_at_their_bounds_are_accepted(path: str, value: object) -> None:
    """Bounds are inclusive; a whole number may be written as 7.0 and a fraction as 2."""
    ImageRequested.model_validate(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("article", [], "`article` is not an object: write it as a JSON object."),
        ("article.id", 7, "`article.id` is not text: write it as a JSON string."),
        ("article.id", "", "`article.id` is empty: fill it in."),
        ("article.id", "x" * 201, "`article.id` is too long: at most 200 characters."),
        ("article.revision", "7", "`article.revision` is not a whole number: write it as a JSON number"),
        ("article.revision", True, "`article.revision` is not a whole number: write it as a JSON number"),
        ("article.revision", 7.5, "`article.revision` is not a whole number: write it as a JSON number"),
        ("article.revision", -1, "`article.revision` is -1, which is too small: at least 0."),
        (
            "article.revision",
            2**53,
            "`article.revision` is 9007199254740992, which is too large: at most 90071992547409",
        ),
        ("article.locale", "english!", "`article.locale` has the wrong form: write a language tag such as en"),
        ("article.headline", "x" * 501, "`article.headline` is too long: at most 500 characters."),
        ("article.headline", "\ud800", "`article.headline` holds half a character: send whole Unicode characters."),
        ("article.tags", "storm", "`article.tags` is not a list: write it as a JSON array."),
        ("article.tags", ["x"] * 51, "`article.tags` has 51 entries: at most 50."),
        ("article.tags", ["storm", 7], "`article.tags.1` is not text: write it as a JSON string."),
        ("article.tags", [None], "`article.tags.0` is not text: write it as a JSON string."),
        ("brief.prompt", "x" * 2001, "`brief.prompt` is too long: at most 2000 characters."),
        ("brief.negative_prompt", "x" * 1001, "`brief.negative_prompt` is too long: at most 1000 characters."),
        ("output.slot", "Hero!", "`output.slot` has the wrong form: write 1 to 40 characters out of a-z, 0-9 and -."),
        ("output.variants", 10, "`output.variants` is 10, which is too large: at most 9."),
        ("output.variants", 0, "`output.variants` is 0, which is too small: at least 1."),
        ("output.width", 10, f"`output.width` is 10: {SIZE_BOUNDS}."),
        ("output.height", 99_999, f"`output.height` is 99999: {SIZE_BOUNDS}."),
        ("output.height", 2049.0, f"`output.height` is 2049: {SIZE_BOUNDS}."),
        ("output.width", 500.5, "`output.width` is not a whole number: write it as a JSON number without a fraction"),
        ("output.width", True, "`output.width` is not a whole number: write it as a JSON number without a fraction"),
        pytest.param(
            "output.width",
            10**4000,
            f"`output.width` is far off: {SIZE_BOUNDS}.",
            id="a number of 4000 digits",
        ),
        ("output.width", 18014398509481988, f"`output.width` is far off: {SIZE_BOUNDS}."),
        (
            "output.aspect",
            "wide",
            "`output.aspect` has the wrong form: write width to height in whole numbers, such as",
        ),
        (
            "output.aspect",
            "16:0",
            "`output.aspect` has the wrong form: write width to height in whole numbers, such as",
        ),
        ("output.aspect", 1.5, "`output.aspect` is not text: write it as a JSON string."),
        ("generation.guidance_scale", 20.5, "`generation.guidance_scale` is 20.5, which is too large: at most 20"),
        ("generation.steps", 101, "`generation.steps` is 101, which is too large: at most 100."),
        ("generation.guidance_scale", "2", "`generation.guidance_scale` is not a number: write it as a JSON number"),
        ("generation.guidance_scale", True, "`generation.guidance_scale` is not a number: write it as a JSON number"),
        ("generation.guidance_scale", float("inf"), "`generation.guidance_scale` is not a finite number."),
        ("generation.guidance_scale", float("nan"), "`generation.guidance_scale` is not a finite number."),
        ("generation.seed", -1, "`generation.seed` is -1, which is too small: at least 0."),
        ("reason", "whim", "`reason` is none of the known values: write 'save', 'regenerate', 'refine' or 'backfill'."),
        ("priority", 1, "`priority` is none of the known values: write 'interactive' or 'normal'."),
    ],
)
def test_a_wrong_value_is_named_with_what_to_do(path: str, value: object, message: str) -> None:
    """The message starts with the field's path and names the bound that is broken."""
    error = refusal(changed(path, value))
    assert error.reason is Reason.INVALID_FIELD
    assert error.message.startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        " a",
        "a ",
        "a\nb",
        "a\tb",
        "\x00",
        "a\x7f",
        "a\u200bb",
        "a\u202eb",
        "\ufeffa",
        "a\u3000",
        "\u200ca",
        "a\u200d",
        "\u200d",
    ],
)
def test_article_ids_have_only_visible_characters(text: str) -> None:
    """No control characters, nothing invisible, no white space at the ends: the id is a record key and is logged."""
    message = refusal(changed("article.id", text)).message
    assert message.startswith("`article.id` has the wrong form: write visible")
    assert re.search(r"\(U\+[0-9A-F]{4} is at character [12]\)\.$", message)


@pytest.mark.parametrize(
    "text", ["\u0645\u06cc\u200c\u0631\u0648\u062f", "\u0915\u094d\u200d\u0937", "a \u200c\u200d b"]
)
def test_article_ids_may_be_spelled_with_joiners(text: str) -> None:
    """Persian and Indic words need them: they are part of a slug, between its visible characters."""
    assert ImageRequested.model_validate(changed("article.id", text)).article.id == text


def test_the_whole_picture_is_bounded_too() -> None:
    """Each side may be long, but not both."""
    sides = {"width": 1536, "height": MAX_PIXELS // 1536}
    ImageRequested.model_validate(SMALLEST | {"output": sides})
    error = refusal(SMALLEST | {"output": sides | {"width": 1537}})
    assert (error.reason, error.field) == (Reason.INVALID_FIELD, "output.width")
    assert error.message == f"`output.width` is 1537 at a height of 1536: {SIZE_BOUNDS}."


@pytest.mark.parametrize(
    ("output", "field", "problem"),
    [
        (
            {"width": 1000, "height": 1000, "aspect": "16:9"},
            "aspect",
            "is 16:9, but 1000x1000 is not: leave out width,",
        ),
        ({"width": 2048, "aspect": "1:4"}, "width", "makes a picture of 2048x8192: width and height may be"),
        ({"height": 64, "aspect": "9999:1"}, "height", "makes a picture of 639936x64: width and height may be"),
    ],
)
def test_sides_and_aspect_must_go_together(output: dict[str, Any], field: str, problem: str) -> None:
    """What contradicts itself, or makes a side that cannot be painted, is refused by name."""
    error = refusal(SMALLEST | {"output": output})
    assert (error.reason, error.field) == (Reason.INVALID_FIELD, f"output.{field}")
    assert error.message.startswith(f"`output.{field}` {problem}")


@pytest.mark.parametrize("output", [{"width": 1200, "height": 675}, {"width": 1366, "height": 768}, {"height": 683}])
def test_an_aspect_may_repeat_what_the_sides_say(output: dict[str, int]) -> None:
    """Sides that have the aspect as nearly as whole pixels allow are no contradiction."""
    ImageRequested.model_validate(SMALLEST | {"output": output | {"aspect": "16:9"}})


@pytest.mark.parametrize("data", [None, [], "text", 7])
def test_data_that_is_not_an_object_is_reported(data: object) -> None:
    """The field is the data itself."""
    assert refusal(data).message == "`data` is not an object: write it as a JSON object."


PATHS = [*NULLABLE, "article", "article.id", "article.revision", "article.headline"]
SECRET = "unpublished"
SINGLE = (
    st.sampled_from([None, True, 0, -1, 2**70, 0.5, SECRET, SECRET * 900, f" {SECRET}\x00", float("nan"), "\ud800"])
    | st.floats()
    | st.integers()
)
ANYTHING = st.recursive(
    SINGLE
    | st.builds(lambda entry, length: [entry] * length, SINGLE, st.integers(0, 60)),  # drawing each takes seconds
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([SECRET, "id", "slot"]), inner),
    max_leaves=10,
)


def error_of(data: object) -> ContractError | None:
    try:
        ImageRequested.model_validate(data)
    except ValidationError as error:
        return explain(error)
    return None


@given(st.dictionaries(st.sampled_from(PATHS), ANYTHING, min_size=1, max_size=3))
@settings(deadline=None, max_examples=500)
def test_every_refusal_is_ours_and_repeats_no_text(values: dict[str, object]) -> None:
    """No value causes pydantic's own wording, and none of the article's text gets into a message."""
    for path, value in values.items():
        error = error_of(changed(path, value))
        if error is not None:
            assert error.message.startswith(f"`{error.field}` ")
            assert error.message.isprintable()
            assert SECRET not in error.message
            assert "Input should" not in error.message
            assert "should have" not in error.message
