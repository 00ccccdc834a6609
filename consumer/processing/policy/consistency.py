"""Mistakes of a policy file between its keys, found in the document as it is: also where single values are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails

from consumer.processing.policy.list_files import wrong

_Valid = TypeVar("_Valid")
_Table = Mapping[str, Any]
_Mistakes = Iterator[tuple[tuple[int | str, ...], str]]

_CHANGES = frozenset({"illustration_only", "style", "variants", "needs_approval", "settle_seconds"})


def checked(table: object, handler: Callable[[Any], _Valid], find: Callable[[_Table], _Mistakes]) -> _Valid:
    """Validate a table; raise `ValidationError` with the mistakes of its values and those between them."""
    mistakes = find(table) if isinstance(table, dict) else ()
    errors = [InitErrorDetails(type=wrong(advice), loc=loc, input=None) for loc, advice in mistakes]
    try:
        valid = handler(table)
    except ValidationError as error:
        raise ValidationError.from_exception_data("policy", [*map(_again, error.errors()), *errors]) from None
    if errors:
        raise ValidationError.from_exception_data("policy", errors)
    return valid


def _again(error: ErrorDetails) -> InitErrorDetails:
    kind: Any = wrong(error["msg"]) if error["type"] == "advice" else error["type"]
    return InitErrorDetails(type=kind, loc=error["loc"], input=error["input"], ctx=error.get("ctx", {}))


def between_conditions(when: _Table) -> _Mistakes:
    """Yield the mistakes of a rule's conditions."""
    if "look_in" in when and not when.keys() & {"words", "lists"}:
        yield (), "has `look_in`, but nothing to look for: add `words` or `lists`"


def between_actions(rule: _Table) -> _Mistakes:
    """Yield the mistakes of a rule's actions."""
    changing, allow, never = bool(rule.keys() & _CHANGES), "allow" in rule, "never" in rule
    asks_approval = "needs_approval" in rule
    problems = {
        "does nothing: add an action, or `allow = true` to let its requests through": not (allow or never or changing),
        "contradicts itself: `allow` and `never` stand alone": (allow and (never or changing)) or (never and changing),
        "has `older` without `never`: remove it": "older" in rule and not never,
        "has `approval_time` without `needs_approval`: remove it": "approval_time" in rule
        and "needs_approval" not in rule,
        "has both `style` and `illustration_only`: remove one of them": rule.keys() >= {"style", "illustration_only"},
        "has no `message`: add the sentence that an editor reads": (never or asks_approval) and "message" not in rule,
    }
    yield from (((), advice) for advice, holds in problems.items() if holds)


def between_rules(policy: _Table) -> _Mistakes:
    """Yield the mistakes of a file's rules beside each other, and of the lists that they name."""
    rules = policy.get("rules")
    tables = [rule if isinstance(rule, dict) else {} for rule in rules] if isinstance(rules, list) else []
    lists = policy.get("lists", {})
    for mistakes in (_repeated(tables), _unreachable(tables), _unknown_lists(tables, lists)):
        yield from ((("rules", *loc), advice) for loc, advice in mistakes)


def _repeated(rules: Sequence[_Table]) -> _Mistakes:
    names = [rule.get("name") for rule in rules]
    for place, name in enumerate(names):
        if name is not None and name in names[:place]:
            yield (place, "name"), f"is the name of an earlier rule, {name!r}: choose another"


def _unreachable(rules: Sequence[_Table]) -> _Mistakes:
    for place, rule in enumerate(rules[:-1]):
        if rule and not rule.get("when"):
            name = rule.get("name")
            yield (place + 1,), f"is never reached: {name!r} above it has no condition, so move that to the end"
            return


def _unknown_lists(rules: Sequence[_Table], lists: object) -> _Mistakes:
    known = list(lists) if isinstance(lists, dict) else []
    there = f"use one of {', '.join(known)}, or add it to [lists]" if known else "add it to [lists]"
    for place, rule in enumerate(rules):
        for number, name in enumerate(_named(rule)):
            if isinstance(name, str) and name not in known:
                yield (place, "when", "lists", number), f"names no list, {name!r}: {there}"


def _named(rule: _Table) -> Iterable[object]:
    when = rule.get("when")
    named = when.get("lists") if isinstance(when, dict) else None
    return named if isinstance(named, list) else ()
