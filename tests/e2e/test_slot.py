"""What a slot shows: docs/clients/slot.py and slot.mjs are one rule, and no order of outcomes changes what it says."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.absent import absent
from tests.support.harness import BOUND
from tests.support.slot import shown

Outcome = tuple[str, dict[str, Any]]
Show = dict[str, Any] | None

CLIENTS = Path(__file__).resolve().parents[2] / "docs" / "clients"
BATCH = 2_000
"""Histories that both programs are asked about."""


def ready(revision: int, ordinal: int | None, **data: Any) -> Outcome:
    numbered = {} if ordinal is None else {"ordinal": ordinal}
    return "ready", {"article": {"id": "a-1", "revision": revision}, **numbered, **data}


def chosen(revision: int, ordinal: int, **data: Any) -> Outcome:
    return ready(revision, ordinal, chosen=True, **data)


def declined(ordinal: int, rule: str = "external_choice") -> Outcome:
    return "declined", {"article": {"id": "a-1", "revision": 1}, "ordinal": ordinal, "rule": rule}


def withdrawn(ordinal: int) -> Outcome:
    return "withdrawn", {"article": {"id": "a-1", "revision": None}, "ordinal": ordinal}


NO_PICTURES: list[Outcome] = [
    ("failed", {"article": {"id": "a-1", "revision": None}, "reason": "engine_failed"}),
    ("superseded", {"article": {"id": "a-1", "revision": 1}, "superseded_by": {"revision": 2}}),
    ("expired", {"article": {"id": "a-1", "revision": 9}}),
    ("held", {"article": {"id": "a-1", "revision": 9}, "ordinal": 90}),
    ("cancelled", {"article": {"id": "a-1", "revision": 9}}),
    ("refined", {"article": {"id": "a-1", "revision": 9}, "ordinal": 91}),
]
"""Kinds that change nothing, one of a newer worker among them."""

CASES: dict[str, tuple[list[Outcome], int | None]] = {
    "nothing": ([], None),
    "the newest revision": ([ready(1, 1), ready(3, 3), ready(2, 2)], 1),
    "the later request of one revision": ([ready(1, 2), ready(1, 1)], 0),
    "an event without an ordinal": ([ready(1, 1), ready(1, None)], 0),
    "a repeat has newer addresses": ([ready(1, 1, url="old"), ready(1, 1, url="new")], 1),
    "no other kind": ([ready(1, 1), *NO_PICTURES], 0),
    "a choice over newer saves": ([ready(1, 1), chosen(1, 2), ready(9, 3, offers=True)], 1),
    "what a save kept": ([chosen(1, 2), chosen(2, 3, kept=True)], 1),
    "the later choice": ([chosen(1, 4), chosen(2, 2)], 0),
    "an offer without a choice": ([ready(1, 1, offers=True)], None),
    "let go, until the next save": ([chosen(1, 2), ready(1, 3, chosen=False)], 1),
    "the save after letting go": ([chosen(1, 2), ready(1, 3, chosen=False), ready(2, 4)], 2),
    "a save accepted before the choice": ([chosen(1, 2), ready(9, 1)], 0),
    "a picture of the site's own": ([ready(1, 1), declined(2)], None),
    "a rule of the site": ([ready(1, 1), declined(2, "courts")], 0),
    "taken down": ([ready(1, 1), chosen(1, 2), withdrawn(3), withdrawn(3)], None),
    "the save after a restoration": ([ready(5, 1), withdrawn(2), ready(6, 3)], 2),
    "taken down before there was an ordinal": ([ready(1, None), withdrawn(0)], None),
}


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which slot.mjs and the program that asks it lie."""
    if shutil.which("node") is None:
        absent("node is not installed")
    folder = tmp_path_factory.mktemp("slot")
    for file in (CLIENTS / "slot.mjs", Path(__file__).parent / "clients" / "slot_cases.mjs"):
        shutil.copy(file, folder)
    return folder


def of_javascript(node: Path, histories: Sequence[Sequence[Outcome]]) -> list[Show]:
    done = subprocess.run(  # noqa: S603 - our own
        ["node", str(node / "slot_cases.mjs")],  # noqa: S607 - wherever it is
        input=json.dumps(histories),
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=True,
    )
    found: list[Show] = json.loads(done.stdout)
    return found


def expected(history: list[Outcome], index: int | None) -> Show:
    return None if index is None else history[index][1]


@pytest.mark.parametrize(("history", "index"), CASES.values(), ids=CASES)
def test_the_rule_in_python(history: list[Outcome], index: int | None) -> None:
    """Each sentence of the rule decides a case."""
    assert shown(history) == expected(history, index)


def test_the_rule_in_javascript(node: Path) -> None:
    """The same cases, the same answers."""
    answers = of_javascript(node, [history for history, _ in CASES.values()])

    assert dict(zip(CASES, answers, strict=True)) == {name: expected(*case) for name, case in CASES.items()}


def history_of(draw: random.Random) -> list[Outcome]:
    """Return outcomes of one slot as leadart announces them: each has an ordinal of its own, or repeats one."""
    outcomes: list[Outcome] = []
    for ordinal in range(1, draw.randint(1, 12)):
        revision = draw.randint(1, 4)
        kinds = [ready(revision, ordinal), ready(revision, ordinal, offers=True), chosen(revision, ordinal)]
        outcomes.append(draw.choice([*kinds, *kinds, withdrawn(ordinal), declined(ordinal), declined(ordinal, "war")]))
    outcomes += draw.choices(outcomes + NO_PICTURES, k=draw.randint(0, 4))
    draw.shuffle(outcomes)
    return outcomes


@given(draw=st.randoms(use_true_random=False))
def test_no_order_changes_what_is_shown(draw: random.Random) -> None:
    """Any interleaving of lanes, retries and replays, with any repeats, gives every subscriber the same state."""
    history = history_of(draw)
    before = shown(history)
    draw.shuffle(history)

    assert shown(history) == before


@given(draw=st.randoms(use_true_random=False))
def test_what_came_before_a_decision_may_be_forgotten(draw: random.Random) -> None:
    """A subscriber that keeps the last decision and what has a higher ordinal shows the same for ever."""
    past, future = history_of(draw), history_of(draw)
    decisions = [one[1]["ordinal"] for one in past if is_decision(one)]
    last = max(decisions, default=-1)
    kept = [one for one in past if one[1].get("ordinal", 0) >= last]

    assert shown(kept) == shown(past)
    assert shown(kept + future) == shown(past + future)


def is_decision(outcome: Outcome) -> bool:
    kind, data = outcome
    return kind == "withdrawn" or bool(data.get("chosen")) or data.get("rule") == "external_choice"


def test_both_programs_agree_in_any_order(node: Path) -> None:
    """JavaScript shows what Python shows of thousands of histories, each shuffled twice."""
    draw = random.Random(18)
    histories = [history_of(draw) for _ in range(BATCH)]
    shuffled = [draw.sample(history, len(history)) for history in histories]
    answers = of_javascript(node, [*histories, *shuffled])

    assert answers[:BATCH] == [shown(history) for history in histories]
    assert answers[BATCH:] == answers[:BATCH]
