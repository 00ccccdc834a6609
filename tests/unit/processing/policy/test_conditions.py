"""What the conditions of a rule look at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from consumer.processing.policy.conditions import (
    Condition,
    LocaleIn,
    Mentions,
    OneOf,
    RequestFacts,
    SinceFirstSave,
    TextField,
)
from consumer.processing.policy.words import WordList
from schemas import ImageRequested

DATA: dict[str, Any] = {
    "article": {
        "id": "a-1",
        "revision": 1,
        "headline": "Harbour opens",
        "standfirst": "At last",
        "summary": "Ships came",
        "body_excerpt": "A long text",
        "section": "City  News",
        "status": "published",
        "tags": ["Harbour", "Straße"],
        "locale": "de_AT",
    },
    "brief": {"prompt": "a quay", "subject_hints": ["two cranes"]},
    "style": {"preset": "anime"},
    "output": {"slot": "teaser"},
    "reason": "regenerate",
    "priority": "interactive",
    "requested_by": "Ada",
}


def facts(seconds: float = 0.0, **article: Any) -> RequestFacts:
    data = {**DATA, "article": {**DATA["article"], **article}}
    return RequestFacts(ImageRequested.model_validate(data), "/cms/desk", seconds)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (OneOf("section", ["sport", "CITY  NEWS"]), "section is 'City  News'"),
        (OneOf("section", ["City"]), None),
        (OneOf("status", ["Published"]), "status is 'published'"),
        (OneOf("tags", ["strasse"]), "tags has 'Straße'"),
        (OneOf("tags", ["street"]), None),
        (OneOf("source", ["/cms/desk"]), "source is '/cms/desk'"),
        (OneOf("source", ["/cms"]), None),
        (OneOf("requested_by", ["ada"]), "requested_by is 'Ada'"),
        (OneOf("slot", ["teaser"]), "slot is 'teaser'"),
        (OneOf("style", ["anime"]), "style is 'anime'"),
        (OneOf("style", ["default"]), None),
        (OneOf("reason", ["regenerate"]), "reason is 'regenerate'"),
        (OneOf("priority", ["interactive"]), "priority is 'interactive'"),
        (LocaleIn(["en", "de"]), "locale is 'de_AT'"),
        (LocaleIn(["de-at"]), "locale is 'de_AT'"),
        (LocaleIn(["de-AT-1996", "d"]), None),
    ],
)
def test_a_value_is_compared_whole(condition: Condition, found: str | None) -> None:
    """Whatever its case; a language tag also with narrower ones."""
    assert condition.met(facts()) == found


def test_a_field_that_is_absent_meets_no_condition() -> None:
    """A rule about sections says nothing about stories without one."""
    assert OneOf("section", ["None", "default"]).met(facts(section=None)) is None


@pytest.mark.parametrize(
    ("word", "where"),
    [
        ("opens", "headline"),
        ("last", "standfirst"),
        ("ships", "summary"),
        ("long", "body"),
        ("quay", "prompt"),
        ("cranes", "prompt"),
    ],
)
def test_words_are_looked_for_where_the_rule_says(word: str, where: str) -> None:
    """In one field, or in all of them; the editor's prompt and hints are one."""
    lists = {"": WordList([word])}
    told = Mentions(lists, tuple(TextField)).met(facts())
    assert told is not None
    assert told.lower() == f"{where} has '{word}'"
    assert Mentions(lists, [TextField(where)]).met(facts()) is not None
    assert Mentions(lists, [field for field in TextField if field != where]).met(facts()) is None


def test_a_list_is_named_with_what_it_found() -> None:
    """The desk knows which file to look into."""
    lists = {"": WordList(["nothing"]), "places": WordList(["harbour"])}
    assert Mentions(lists, [TextField.HEADLINE]).met(facts()) == "headline has 'Harbour' (list places)"


def test_a_word_does_not_reach_from_one_text_into_another() -> None:
    """The end of the headline and the beginning of the standfirst are no phrase."""
    assert Mentions({"": WordList(["opens at"])}, tuple(TextField)).met(facts()) is None


def test_the_time_since_the_first_save_has_two_ends() -> None:
    """At least so long ago, and less than that."""
    condition = SinceFirstSave(timedelta(hours=2), timedelta(days=1))
    assert condition.met(facts(7199)) is None
    assert condition.met(facts(7200)) == "its first save was 2:00:00 ago"
    assert condition.met(facts(86_400)) is None
    assert SinceFirstSave(below=timedelta(hours=1)).met(facts(0)) is not None
