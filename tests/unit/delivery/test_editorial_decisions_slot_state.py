"""What a slot shows: whatever is asked and decided, read again and committed when, all subscribers agree on it.

And it is what the newsroom meant. The real handler works on the records of a shard whose pictures, commits and deaths
come in every order that hypothesis draws; the newsroom is a plain model that knows nothing of ordinals or offsets.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.delivery import editorial_decisions, ordinals
from consumer.delivery.heads import Heads
from consumer.delivery.latest_wins import LatestWins
from schemas import names
from schemas.cloudevents import Event
from tests.support.bench_shard import ALL, ARTICLE_ID, LANES, BenchShard, Visible, digest, look_of, unstorable
from tests.support.slot import shown

pytestmark = pytest.mark.slow

EXAMPLES, AT_RANDOM = 300, 2_000
REPEATED, REGENERATED = 0.2, 0.4
ENOUGH = 1_000
"""Plays within which each broken step must be found."""

COUNTED = {"ready", "declined"}
"""Outcomes whose ordinal is that of what they answer."""

SHUFFLES = 4
"""Orders besides the one of the bus in which a subscriber gets the outcomes."""


@dataclass(frozen=True)
class Ask:
    """A record to publish: of an event, by a lane."""

    lane: str
    event: Event


@dataclass(frozen=True)
class Step:
    """What happens next: `pick` says to which record, or how much of it."""

    kind: str
    pick: int


def asked(name: str, event_type: str, data: dict[str, Any]) -> Event:
    return Event(id=name, source="/cms", type=event_type, data=data)


def about(revision: int) -> dict[str, Any]:
    return {"article": {"id": ARTICLE_ID, "revision": revision}}


def picture(name: str, kind: str = "file") -> dict[str, str]:
    return {{"file": "sha256", "recipe": "recipe"}[kind]: digest(kind, name)}


def point(x: float | None) -> dict[str, Any]:
    return {} if x is None else {"focal_point": {"x": x, "y": 0.5}}


REVISIONS = st.integers(1, 3)
PICTURES = st.builds(picture, st.sampled_from("AB"), st.sampled_from(["file", "recipe"]))
POINTS = st.sampled_from([None, 0.25, 0.75]).map(point)


@st.composite
def _saves(draw: st.DrawFn) -> Event:
    revision = draw(REVISIONS)
    data = about(revision)
    data["article"]["headline"] = "Storm"
    variation = draw(st.sampled_from([None, None, 0, 1]))
    if variation is not None:
        data["generation"] = {"variation": variation}
    if draw(st.booleans()):
        data["reason"] = "regenerate"
    return asked("drawn", names.IMAGE_REQUESTED, data)


def _built(event_type: str, parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Event]:
    return st.builds(asked, st.just("drawn"), st.just(event_type), parts)


def _merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {name: value for part in found for name, value in part.items()})


REVISED = REVISIONS.map(about)
WHOLE = st.sampled_from([None, "hero"]).map(lambda slot: {"article": {"id": ARTICLE_ID}, "slot": slot})
CHOSEN = _merged(REVISED, PICTURES.map(lambda one: {"picture": one}), POINTS)
EVENTS = st.one_of(
    _saves(),
    _saves(),
    _built(
        names.IMAGE_RECROP_REQUESTED, _merged(REVISED, PICTURES.map(lambda one: {"picture": one}), POINTS.filter(bool))
    ),
    _built(names.IMAGE_CHOSEN, CHOSEN),
    _built(names.IMAGE_CHOSEN, _merged(REVISED, st.just({"picture": None}))),
    _built(names.IMAGE_CHOSEN, _merged(REVISED, st.just({"picture": None, "external": True}))),
    _built(names.ARTICLE_WITHDRAWN, WHOLE),
    _built(names.ARTICLE_RESTORED, WHOLE),
)


@st.composite
def _asks(draw: st.DrawFn) -> list[Ask]:
    """Draw records; about one in four repeats an earlier event, by whichever lane."""
    made: list[Ask] = []
    for _ in range(draw(st.integers(2, 8))):
        lane = draw(st.sampled_from([names.REQUESTED, names.REQUESTED, names.BACKFILL]))
        repeats = made and draw(st.integers(0, 3)) == 0
        event = draw(st.sampled_from(made)).event if repeats else replace(draw(EVENTS), id=f"e{len(made)}")
        made.append(Ask(lane, event))
    return made


OFTEN = ("read", "paint", "turn", "take", "commit")
SELDOM = ("fail", "fail", "refuse", "break", "ambiguous", "kill", "kill", "reset")
STEPS = st.builds(Step, st.sampled_from([*OFTEN, *OFTEN, *OFTEN, "read", "read", "read", *SELDOM]), st.integers(0, 5))


PLAYS = st.lists(STEPS, min_size=15, max_size=40)
DICE = st.integers(0, 2**16).map(random.Random)


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(_asks(), PLAYS, DICE)
def test_every_subscriber_sees_what_the_newsroom_meant(asks: list[Ask], steps: list[Step], dice: random.Random) -> None:
    """Any interleaving of lanes, retries, replays, commits and deaths, and any order of the outcomes on their way."""
    asyncio.run(_play(asks, steps, dice))


def test_plays_at_random_end_as_the_newsroom_meant() -> None:
    """The same without shrinking: longer plays than hypothesis likes to draw."""
    for number in range(AT_RANDOM):
        asyncio.run(_play(*_drawn(number)))


def _drawn(number: int) -> tuple[list[Ask], list[Step], random.Random]:
    """Return the play with this number."""
    dice = random.Random(number)
    asks: list[Ask] = []
    for place in range(dice.randint(2, 8)):
        lane = dice.choice([*[names.REQUESTED] * 4, names.BACKFILL])
        repeats = asks and dice.random() < REPEATED
        event = dice.choice(asks).event if repeats else asked(f"e{place}", *_some_event(dice))
        asks.append(Ask(lane, event))
    kinds = [*["read"] * 6, *["paint", "turn"] * 3, *["take", "commit"] * 2, *SELDOM[1:] * dice.randint(0, 2)]
    return asks, [Step(dice.choice(kinds), dice.randint(0, 5)) for _ in range(dice.randint(0, 40))], dice


def _some_event(dice: random.Random) -> tuple[str, dict[str, Any]]:
    """Return the type and data of an event."""
    revised, named = about(dice.randint(1, 3)), picture(dice.choice("AB"), dice.choice(["file", "recipe"]))
    whole = {"article": {"id": ARTICLE_ID}, "slot": dice.choice([None, "hero"])}
    saved: dict[str, Any] = {"article": {**revised["article"], "headline": "Storm"}}
    if (variation := dice.choice([None, None, 0, 1])) is not None:
        saved["generation"] = {"variation": variation}
    if dice.random() < REGENERATED:
        saved["reason"] = "regenerate"
    cropped = {**revised, "picture": named, **point(dice.choice([0.25, 0.75]))}
    chosen = {**revised, "picture": named, **point(dice.choice([None, 0.25, 0.75]))}
    return dice.choice(
        [
            *[(names.IMAGE_REQUESTED, saved)] * 3,
            *[(names.IMAGE_RECROP_REQUESTED, cropped)] * 2,
            *[(names.IMAGE_CHOSEN, chosen)] * 3,
            (names.IMAGE_CHOSEN, {**revised, "picture": None}),
            (names.IMAGE_CHOSEN, {**revised, "picture": None, "external": True}),
            *[(names.ARTICLE_WITHDRAWN, whole), (names.ARTICLE_RESTORED, whole)] * 2,
        ]
    )


async def _play(asks: Sequence[Ask], steps: Sequence[Step], dice: random.Random) -> None:
    async with asyncio.TaskGroup() as tasks:
        shard = BenchShard(tasks)
        for ask in asks:
            shard.publish(ask.lane, ask.event)
        for step in steps:
            await _step(shard, step)
        await shard.drain()
    _check(shard, dice)


async def _step(shard: BenchShard, step: Step) -> None:
    match step.kind:
        case "read":
            shard.read(LANES[step.pick % len(LANES)])
        case "turn":
            await shard.turn()
        case "paint" | "fail":
            if waiting := shard.painting():
                one = waiting[step.pick % len(waiting)]
                one.set_result(None) if step.kind == "paint" else one.set_exception(unstorable())
            await shard.turn()
        case "take":
            shard.take(step.pick or ALL)
        case "commit":
            shard.take(step.pick or ALL)
            await shard.end(success=True)
        case "refuse":
            await shard.end(success=False)
        case "reset":
            await shard.reset(LANES[step.pick % 2])
        case _:
            await shard.die(killed=step.kind == "kill", committed=step.kind == "ambiguous")


def _check(shard: BenchShard, dice: random.Random) -> None:
    outcomes = [(one.kind, one.data) for one in shard.outcomes]
    seen = [shown(outcomes)]
    for _ in range(SHUFFLES):
        mixed = outcomes + dice.sample(outcomes, len(outcomes) // 2)
        dice.shuffle(mixed)
        seen.append(shown(mixed))
    looks = {None if one is None else look_of(one) for one in seen}
    assert looks == {shard.room.shows}, shard.outcomes
    _check_numbers(shard.outcomes)


def _check_numbers(outcomes: Sequence[Visible]) -> None:
    """Ordinals rise with acceptance: those of one request are the same, those of two differ."""
    counted = sorted({(one.number, one.data["ordinal"]) for one in outcomes if one.number and one.kind in COUNTED})
    assert all(a < b and m < n for (a, m), (b, n) in pairwise(counted)), counted


def repeats_are_not_known(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ordinals, "_recall", lambda *_: None)


def a_decision_forgets_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(editorial_decisions, "forget_accepted", lambda head: head)


def heads_are_not_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Heads, "records", lambda *_: [])


def work_is_adopted_with_its_old_ordinal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LatestWins, "readmit", lambda *_: True)


@pytest.mark.parametrize(
    "breakage",
    [
        repeats_are_not_known,
        a_decision_forgets_nobody,
        heads_are_not_written,
        work_is_adopted_with_its_old_ordinal,
    ],
)
def test_a_broken_step_is_found(
    breakage: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """(!) Each step that the agreement rests on: without it, some hundred plays find a slot that shows otherwise."""
    breakage(monkeypatch)
    assert any(_breaks(number) for number in range(ENOUGH))


def _breaks(number: int) -> bool:
    try:
        asyncio.run(_play(*_drawn(number)))
    except Exception:  # noqa: BLE001 - what is broken may break in any way
        return True
    return False
