"""messages/*.json: the desk's words."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest

from consumer.gateway.problems import OwnReason
from schemas.reasons import Reason
from tests.support.desk_modules import DESK


def words(locale: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((DESK / "messages" / f"{locale}.json").read_text(encoding="utf-8"))
    return found


def test_each_language_has_the_same_messages_with_the_same_places() -> None:
    """Chinese has one form where English counts; what is filled in is the same."""
    english, chinese = words("en"), words("zh")
    assert {key for key in english if not key.endswith(".one")} == set(chinese)
    assert {key: places(english[key]) for key in chinese} == {key: places(text) for key, text in chinese.items()}


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_every_reason_of_the_contract_has_an_editors_words(locale: str) -> None:
    """Without names of fields or settings, which tell an editor nothing."""
    said = {reason: words(locale).get(f"reason.{reason}", "") for reason in Reason}
    assert [reason for reason, text in said.items() if not text or re.search(r"[`_]|LEADART", text)] == []


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_every_problem_of_the_gateway_has_an_editors_words(locale: str) -> None:
    """Its own codes, the contract's, and what the browser finds by itself; without names of fields or settings."""
    codes = {*Reason, *get_args(OwnReason), "unreachable"}
    found = words(locale)
    said = {code: found.get(f"problem.{code}") or found.get(f"reason.{code}", "") for code in codes}
    assert [code for code, text in said.items() if not text or re.search(r"[`_]|LEADART", text)] == []


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_every_message_that_the_desk_names_is_there() -> None:
    """Each key written out in its modules has its words."""
    english = words("en")
    named = {
        (module.name, key)
        for module in DESK.rglob("*.js")
        for key in re.findall(r"\bt\(\"([a-zA-Z.]+)\"", module.read_text(encoding="utf-8"))
    }
    assert named
    assert [each for each in sorted(named) if each[1] not in english and f"{each[1]}.other" not in english] == []
