"""What the desk asks for when an editor paints a slot again."""

from __future__ import annotations

from typing import Any

from schemas import ImageRequested, names
from schemas.cloudevents import Event, write
from schemas.reader import parse_request
from tests.support.desk_modules import called

SAVE: dict[str, Any] = {
    "article": {"id": "a-1", "revision": 7, "headline": "Storm", "section": "Weather"},
    "brief": {"prompt": "a harbour", "avoid": ["people"]},
    "output": {"slot": "hero", "variants": 2, "width": 1200, "height": 630, "focal_point": {"x": 0.2, "y": 0.2}},
    "generation": {"steps": 8, "variation": 3},
    "reason": "save",
}
VALUES: dict[str, Any] = {
    "prompt": " a lighthouse ",
    "negative": None,
    "style": "illustration",
    "count": 4,
    "size": "16:9",
    "seed": "",
    "variation": "",
}


def detail(*history: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """Return a slot as the gateway describes it, with these requests, the newest first."""
    asked = [
        {"kind": "request", "request": each, "article": {"revision": each["article"]["revision"]}, "asked_at": f"{at}"}
        for at, each in enumerate(history)
    ]
    newest = max(each["article"]["revision"] for each in history)
    return {"article": {"id": "a-1", "revision": newest, **facts}, "slot": "hero", "history": asked, "revision": newest}


def painted(about: dict[str, Any], **values: Any) -> ImageRequested:
    """Return the request that the form makes, as a worker reads it."""
    (data,) = called("slot/painting.js", [("paintingOf", [about, {**VALUES, **values}, "Kim"])])
    return read(data)


def read(data: dict[str, Any]) -> ImageRequested:
    headers, value = write(Event(id="e", source="/desk", type=names.IMAGE_REQUESTED, subject="a-1", data=data))
    _, request = parse_request(b"a-1", tuple(headers), value)
    assert isinstance(request, ImageRequested)
    return request


def test_the_form_asks_for_the_newest_article_in_the_editors_words() -> None:
    """The article is the newest save's with its revision; prompt, style, count and size are the editor's."""
    request = painted(detail(SAVE))

    assert (request.article.revision, request.article.headline) == (7, "Storm")
    assert (request.brief.prompt, request.brief.avoid, request.brief.negative_prompt) == (
        "a lighthouse",
        ("people",),
        None,
    )
    assert (request.style.preset, request.output.variants, request.output.aspect) == ("illustration", 4, "16:9")
    assert (request.output.width, request.output.height, request.output.focal_point) == (None, None, None)
    assert (request.generation.steps, request.generation.variation) == (8, None)
    assert (request.reason, request.priority, request.requested_by) == ("regenerate", "interactive", "Kim")


def test_an_older_save_never_comes_back() -> None:
    """Neither a request that came late gives the article, nor one that another slot's save has overtaken."""
    newer = {**SAVE, "article": {**SAVE["article"], "revision": 9, "headline": "Storm passes"}}

    assert painted(detail(SAVE, newer)).article.headline == "Storm passes"
    elsewhere = detail(SAVE, revision=11, headline="Harbour reopens")
    assert (painted(elsewhere).article.revision, painted(elsewhere).article.headline) == (11, "Harbour reopens")


def test_a_request_that_was_refused_is_not_asked_again() -> None:
    """What a worker refused for one of its fields would be refused again: the one before it is taken."""
    refused = {**SAVE, "style": {"preset": "none-such"}}
    about = detail(refused, SAVE)
    about["history"][0]["outcome"] = {"reason": "unknown_style", "field": "style.preset"}
    (data,) = called("slot/painting.js", [("againOf", [about, None])])

    assert "style" not in data


def test_a_seed_is_that_of_the_first_picture() -> None:
    """With a seed and no variation the first variation is asked for, so that the seed is the picture's."""
    generation = painted(detail(SAVE), seed="42").generation

    assert (generation.seed, generation.variation) == (42, 0)
    assert painted(detail(SAVE), variation="5").generation.variation == 5


def test_an_empty_negative_prompt_is_said() -> None:
    """To exclude nothing is not the same as to leave the negative prompt to the style."""
    assert painted(detail(SAVE), negative="").brief.negative_prompt == ""


def test_painting_again_changes_nothing_but_the_variation() -> None:
    """The next variation of the newest request: same words, style and size."""
    (data,) = called("slot/painting.js", [("againOf", [detail(SAVE), None])])
    request = read(data)

    assert (request.brief.prompt, request.output.width, request.output.variants) == ("a harbour", 1200, 2)
    assert (request.generation.steps, request.generation.variation, request.reason) == (8, None, "regenerate")


def test_the_form_begins_with_what_was_asked_else_with_what_is_remembered() -> None:
    """The last request's style, count and size; where it says nothing, those of the editor's section."""
    bare = {"article": {"id": "a-1", "revision": 7, "headline": "Storm"}}
    remembered = {"style": "anime", "count": 9, "size": "4:3"}
    asked, left = called("slot/painting.js", [("valuesOf", [detail(each), remembered]) for each in (SAVE, bare)])

    assert (asked["style"], asked["count"], asked["size"], asked["prompt"]) == ("anime", 2, "1200x630", "a harbour")
    assert (left["style"], left["count"], left["size"], left["negative"]) == ("anime", 9, "4:3", None)
