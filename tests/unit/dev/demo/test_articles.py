from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from consumer.dev.demo.articles import load_edition
from consumer.jobs import ModelIdentity, Paintable, Recipe
from consumer.processing.prompting import make_plan
from consumer.processing.styles import load_styles
from schemas import ImageRequested
from schemas.cloudevents import write
from schemas.reader import parse_request

MODEL = ModelIdentity("any", "0" * 64)


def _valid() -> list[ImageRequested]:
    return [ImageRequested.model_validate(save.request) for save in load_edition() if save.expected.outcome == "ready"]


def _recipes(request: ImageRequested) -> tuple[Recipe, ...]:
    return make_plan(request, load_styles(), Paintable(MODEL)).recipes


def test_the_edition_shows_what_leadart_can_do() -> None:
    """At least ten articles in English and Chinese, all styles, four variants, own prompt and none, one bad request."""
    requests = _valid()
    articles = {request.article.id for request in requests}

    assert len(articles) >= 10
    assert {request.article.locale[:2] for request in requests} == {"en", "zh"}
    assert {request.style.preset or "default" for request in requests} == set(load_styles().presets)
    assert max(request.output.variants for request in requests) == 4
    assert {bool(request.brief.prompt) for request in requests} == {True, False}
    assert len(load_edition()) - len(requests) == 1


def test_every_picture_is_small() -> None:
    """A CPU paints them in seconds: square as the model likes them, wide as a site does, one wide enough for a hero."""
    sizes = {(recipe.width, recipe.height) for request in _valid() for recipe in _recipes(request)}

    assert sizes == {(256, 256), (448, 256), (640, 368)}


def test_two_articles_are_saved_twice() -> None:
    """One is unchanged, and its recipe with it, so that it is reused; the other has a new headline and a new recipe."""
    twice = [key for key, count in Counter(save.key for save in load_edition()).items() if count > 1]
    saves = {key: [request for request in _valid() if request.article.id == key] for key in twice}
    changed = {key: _recipes(first) != _recipes(second) for key, (first, second) in saves.items()}

    assert sorted(changed.values()) == [False, True]
    for save in load_edition():
        assert save.expected.reused == (changed.get(save.key) is False and save.article["revision"] == 2)


def test_the_bad_request_is_refused_for_its_width() -> None:
    """What the edition calls invalid is invalid, on the field that it says."""
    (bad,) = [save for save in load_edition() if save.expected.outcome == "failed"]

    with pytest.raises(ValidationError) as refusal:
        ImageRequested.model_validate(bad.request)
    assert refusal.value.errors()[0]["loc"] == ("output", "width")
    assert bad.expected.field == "output.width"


def test_each_save_is_an_event_of_its_own() -> None:
    """Every good save can be read back from its record, and no two have one id."""
    edition = load_edition()

    assert len({save.event.id for save in edition}) == len(edition)
    for save in edition:
        if save.expected.outcome == "ready":
            headers, value = write(save.event)
            assert parse_request(save.key.encode(), headers, value)[1].article.id == save.key


def test_a_suffix_makes_it_another_edition() -> None:
    """With a suffix every article has another id, so nothing of an earlier run is reused."""
    plain, other = load_edition(), load_edition("-b")

    assert [save.key + "-b" for save in plain] == [save.key for save in other]
    assert not {save.event.id for save in plain} & {save.event.id for save in other}
