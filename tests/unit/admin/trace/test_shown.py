"""The subscriber's rule: which outcome a slot shows."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.admin.trace.parsing import parse_outcome
from consumer.admin.trace.shown import shown_outcome
from consumer.admin.trace.timeline import TracedOutcome
from consumer.kafka.announced import AnnouncedEvent
from tests.support.announcements import announced
from tests.support.timelines import outcome, ready

CHOICE = ready(2, 30, ordinal=3, flags=frozenset({"chosen"}))
WITHDRAWAL = outcome("withdrawn", 2, 30, ordinal=3)
EXTERNAL = outcome("declined", 2, 30, ordinal=3, rule="external_choice")
FIRST, SECOND, THIRD = ready(1, 50, ordinal=1), ready(2, 40, ordinal=2), ready(3, 10, ordinal=4)
CASES: dict[str, tuple[list[TracedOutcome], TracedOutcome | None]] = {
    "nothing": ([], None),
    "failures": ([outcome("failed")], None),
    "the highest revision, not the last": ([SECOND, FIRST], SECOND),
    "of one revision the highest ordinal": (
        [ready(1, 10, ordinal=1), ready(1, 20, ordinal=2)],
        ready(1, 20, ordinal=2),
    ),
    "of one from before ordinals the last": ([ready(1, 20), ready(1, 10)], ready(1, 10)),
    "a choice over what was accepted before it": ([FIRST, CHOICE, ready(9, 5, ordinal=2)], CHOICE),
    "what was accepted after a choice": ([CHOICE, THIRD], THIRD),
    "a choice beside its offers": ([CHOICE, ready(3, 10, ordinal=4, flags=frozenset({"offers"}))], CHOICE),
    "nothing once it was taken down": ([FIRST, WITHDRAWAL], None),
    "what was accepted after a restoration": ([FIRST, WITHDRAWAL, THIRD], THIRD),
    "nothing where an editor has another picture": ([FIRST, EXTERNAL], None),
    "the picture, although a save was declined": ([FIRST, outcome("declined", 2, 30, ordinal=3, rule="courts")], FIRST),
}


@pytest.mark.parametrize("case", CASES)
def test_a_slot_shows(case: str) -> None:
    """The highest revision and ordinal after the last word; without any, what the word says."""
    outcomes, shown = CASES[case]

    assert shown_outcome(outcomes) == shown


PROGRAM = runpy.run_path(str(Path(__file__).parents[4] / "docs" / "clients" / "slot.py"))
KINDS = st.sampled_from(
    [
        ("ready", {}),
        ("ready", {"offers": True}),
        ("ready", {"chosen": True}),
        ("ready", {"chosen": True, "kept": True}),
        ("withdrawn", {}),
        ("declined", {"rule": "external_choice"}),
        ("declined", {"rule": "courts"}),
        ("held", {"rule": "courts"}),
        ("failed", {}),
    ]
)
ANNOUNCED = st.builds(
    lambda kind, revision, ordinal, offset: announced(
        kind[0], place=(0, offset), article={"id": "a-1", "revision": revision}, ordinal=ordinal, **kind[1]
    ),
    KINDS,
    st.integers(0, 3),
    st.integers(0, 6),
    st.integers(0, 99),
)


@given(st.lists(ANNOUNCED, max_size=8, unique_by=lambda event: int(event.data["ordinal"])))
def test_it_is_the_published_rule(events: list[AnnouncedEvent]) -> None:
    """The program that subscribers copy shows the same outcome."""
    expected = PROGRAM["shown"]([(event.kind, event.data) for event in events])
    found = shown_outcome(parse_outcome(event) for event in events)

    assert (found and (found.revision, found.ordinal)) == (
        expected and (expected["article"]["revision"], expected["ordinal"])
    )
