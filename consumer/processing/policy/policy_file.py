"""Reading a site's policy: the TOML file and the word lists beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from consumer.processing.policy.conditions import (
    VALUES,
    Condition,
    LocaleIn,
    Mentions,
    OneOf,
    SinceFirstSave,
    TextField,
)
from consumer.processing.policy.decision import OlderSaves, PolicyDecision
from consumer.processing.policy.entries import USUAL_APPROVAL, PolicyEntry, RuleEntry, WhenEntry, advise
from consumer.processing.policy.list_files import ListFile, PolicyContext
from consumer.processing.policy.rules import Policy, Rule
from consumer.processing.policy.words import WordList
from consumer.processing.styles import Styles
from consumer.settings.resources import bundled
from consumer.settings.toml_files import load_toml

SHIPPED: Final = Path("newsroom")
"""The name of the policy that ships; a file of that name is given as `./newsroom`."""

_SETTING: Final = "LEADART_POLICY__FILE"
_DIGITS: Final = 12


def load_policy(path: Path, styles: Styles) -> Policy:
    """Read a site's policy, or the shipped one by its name, for a site with these styles.

    Raises `Fatal` whose message has, for every mistake, the file, the line, the key and what to do.
    """
    file = Path(str(bundled("policy.toml"))) if path == SHIPPED else path
    entry = load_toml(file, _SETTING, TypeAdapter(PolicyEntry), advise, PolicyContext(file.parent, styles))
    files = (file, *(each.path for each in entry.lists.values()))
    version = f"{entry.label}/{_digest(files)}"
    return Policy(
        version,
        tuple(_rule(rule, entry, version) for rule in entry.rules),
        PolicyDecision(settle_seconds=entry.settle_seconds, version=version),
        frozenset(style.name for style in styles.presets.values() if style.photorealistic),
        files,
    )


def _digest(files: Sequence[Path]) -> str:
    contents = (hashlib.sha256(file.read_bytes()).digest() for file in files)
    return hashlib.sha256(b"".join(contents)).hexdigest()[:_DIGITS]


def _rule(entry: RuleEntry, file: PolicyEntry, version: str) -> Rule:
    approval = entry.approval_time or USUAL_APPROVAL
    decision = PolicyDecision(
        rule=entry.name,
        message=entry.message or "",
        never=bool(entry.never),
        older=entry.older or OlderSaves.END,
        style=entry.style,
        variants=entry.variants,
        needs_approval=bool(entry.needs_approval),
        approval_seconds=approval.total_seconds() if entry.needs_approval else 0.0,
        settle_seconds=file.settle_seconds if entry.settle_seconds is None else entry.settle_seconds,
        version=version,
    )
    return Rule(entry.name, tuple(_conditions(entry.when, file.lists)), decision, entry.illustration_only)


def _conditions(when: WhenEntry, lists: Mapping[str, ListFile]) -> Iterator[Condition]:
    """Yield the conditions, the cheapest to check first."""
    for key in VALUES:
        if values := getattr(when, key):
            yield OneOf(key, values)
    if when.locale is not None:
        yield LocaleIn(when.locale)
    if when.since_first_save is not None:
        yield SinceFirstSave(when.since_first_save.at_least, when.since_first_save.below)
    if when.words is not None or when.lists is not None:
        own = {"": WordList(when.words)} if when.words else {}
        yield Mentions(own | {name: lists[name].words for name in when.lists or ()}, when.look_in or tuple(TextField))
