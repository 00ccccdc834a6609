"""Small days with known answers, and what holds of every day."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.dev.simulate.day.policies import taken_apart
from consumer.dev.simulate.day.stories import Save, saves_of
from consumer.dev.simulate.day.tally import WITH_PICTURE, DayTally, SaveEnd
from consumer.dev.simulate.day.worker import simulate_day
from consumer.dev.simulate.scenario import Fleet
from consumer.processing.policy import PAINT_EVERYTHING, OlderSaves, Policy, PolicyDecision
from consumer.processing.policy.conditions import OneOf
from consumer.processing.policy.rules import Rule
from consumer.processing.styles import load_styles
from consumer.testing.device import DevicePace
from schemas import ImageRequested, Priority, RequestReason
from schemas.requested import Article, Output
from tests.unit.dev.simulate.day.newsrooms import newsroom

STYLES = load_styles()
ONE_GPU = Fleet(1, DevicePace(8.0))
SETTLING = Policy("test", (), PolicyDecision(settle_seconds=20.0))


def rule(decision: PolicyDecision, status: str = "autosave") -> Policy:
    """Return a policy that decides so about a status."""
    return Policy("test", (Rule("test", (OneOf("status", [status]),), decision),), PolicyDecision())


def save(at: float, revision: int, text: str = "", status: str = "published", story: str = "a") -> Save:
    """Return a save; its text is its own unless it is given."""
    headline = f"Ferries stay in port {text or revision}"
    article = Article(id=story, revision=revision, headline=headline, status=status)
    return Save(at, ImageRequested(article=article), final=status == "published")


def asked(at: float, revision: int, decides_after: float | None = None, story: str = "a") -> Save:
    """Return an editor's request for another picture."""
    request = save(at, revision, story=story).request
    editors = {"priority": Priority.INTERACTIVE, "reason": RequestReason.REGENERATE, "output": Output(variants=2)}
    return Save(at, request.model_copy(update=editors), decides_after=decides_after)


def day(saves: list[Save], policy: Policy = PAINT_EVERYTHING, fleet: Fleet = ONE_GPU) -> DayTally:
    return simulate_day(fleet, policy, STYLES, saves)


def test_one_save_is_one_painting() -> None:
    """It waits for its picture alone, and the GPU is busy so long."""
    tally = day([save(5.0, 1)])

    assert tally.ends == {SaveEnd.PAINTED: 1}
    assert tally.pictures == 1
    assert tally.gpu_seconds == pytest.approx(8.0)
    assert list(tally.final.seconds) == pytest.approx([8.0])


def test_the_same_text_is_painted_once() -> None:
    """A save that changes nothing in the picture gets the one that is there, or joins the one being painted."""
    tally = day(
        [save(0.0, 1, "x"), save(100.0, 2, "x"), save(200.0, 1, "y", story="b"), save(204.0, 2, "y", story="b")]
    )

    assert tally.ends[SaveEnd.REUSED] == 2
    assert tally.pictures == 2
    assert list(tally.final.seconds) == pytest.approx([8.0, 0.0, 4.0])


def test_a_newer_save_ends_a_painting() -> None:
    """The older one's steps were for nothing; one that still waited cost none."""
    crowded = replace(ONE_GPU, window=1)
    tally = day([save(0.0, 1, story="b"), save(1.0, 1), save(2.0, 2), save(12.0, 3)], fleet=crowded)

    assert tally.ends == {SaveEnd.PAINTED: 2, SaveEnd.SUPERSEDED: 1, SaveEnd.INTERRUPTED: 1}
    assert tally.pictures == 2


def test_what_has_its_picture_competes_no_more() -> None:
    """Saves that were painted in peace protect nobody later: a newer save still ends the painting before it."""
    quiet = [save(100.0 * number, number) for number in range(1, 5)]
    tally = day([*quiet, save(404.0, 5)])

    assert tally.ends == {SaveEnd.PAINTED: 4, SaveEnd.INTERRUPTED: 1}


def test_a_typist_costs_one_painting() -> None:
    """With a settle time of 20 s, saves every ten seconds wait for the next, and the last is painted after it."""
    saves = [save(10.0 * number, number) for number in range(1, 61)]
    tally = day(saves, SETTLING)

    assert tally.ends == {SaveEnd.SETTLED: 59, SaveEnd.PAINTED: 1}
    assert tally.gpu_seconds == pytest.approx(8.0)
    assert tally.final.seconds[-1] == pytest.approx(28.0)


def test_an_editor_does_not_settle() -> None:
    """A request that somebody waits for is painted at once, beside a save that waits."""
    tally = day([save(0.0, 1), asked(1.0, 1)], SETTLING)

    assert tally.ends == {SaveEnd.PAINTED: 2}
    assert tally.interactive.quantile(1.0) == pytest.approx(16.0)
    assert tally.final.quantile(1.0) == pytest.approx(28.0)


def test_more_than_half_of_the_room_does_not_wait() -> None:
    """Of eight saves with room for eight in flight, four wait; the oldest go on at once."""
    saves = [save(0.0, 1, story=str(number)) for number in range(8)]
    tally = day(saves, SETTLING, replace(ONE_GPU, in_flight=8, pace=DevicePace(1.0, batch=8, speedup=7.0)))

    assert sum(seconds < 20 for seconds in tally.final.seconds) == 4
    assert tally.ends == {SaveEnd.PAINTED: 8}


@pytest.mark.parametrize(
    ("older", "ends"),
    [
        (OlderSaves.FINISH, {SaveEnd.PAINTED: 1, SaveEnd.DECLINED: 1}),
        (OlderSaves.END, {SaveEnd.INTERRUPTED: 1, SaveEnd.DECLINED: 1}),
    ],
)
def test_what_is_declined_may_leave_older_saves_alone(older: OlderSaves, ends: dict[SaveEnd, int]) -> None:
    """An autosave that is declined costs no GPU, and ends an older save only where the rule says so."""
    tally = day(
        [save(0.0, 1), save(4.0, 2, status="autosave")], rule(PolicyDecision("no", "", never=True, older=older))
    )

    assert tally.ends == ends


def test_a_choice_keeps_later_saves_from_the_gpu() -> None:
    """Once an editor has chosen, saves get that picture at once; before that they are painted."""
    tally = day([save(0.0, 1), asked(50.0, 1, decides_after=30.0), save(70.0, 2), save(120.0, 3), save(130.0, 4)])

    assert tally.choices == 1
    assert tally.ends == {SaveEnd.PAINTED: 3, SaveEnd.KEPT: 2}
    assert tally.pictures == 4
    assert list(tally.final.seconds)[2:] == [0.0, 0.0]


def test_what_needs_approval_is_held() -> None:
    """It costs no GPU."""
    tally = day([save(0.0, 1)], rule(PolicyDecision("look", "", needs_approval=True), "published"))

    assert (tally.ends, tally.gpu_seconds) == ({SaveEnd.HELD: 1}, 0.0)


@pytest.mark.slow
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 3), st.sampled_from([0.5, 8.0, 60.0]))
@settings(max_examples=25, deadline=None)
def test_no_policy_loses_a_final_picture(seed: int, stories: int, gpus: int, seconds: float) -> None:
    """Each request ends in one way; a story's last published save is never superseded, however slow the GPUs are."""
    saves = saves_of(newsroom(stories, writing={"minutes": 4}, editors={"asking_share": 0.5}), seed)
    fleet = Fleet(gpus, DevicePace(seconds, batch=4, speedup=1.5), in_flight=16)
    final = sum(each.final for each in saves)
    policy = rule(PolicyDecision("drafts", "", never=True, older=OlderSaves.FINISH))
    columns = taken_apart(replace(policy, otherwise=PolicyDecision(settle_seconds=20.0)))
    for name, each in columns.items():
        tally = day(saves, each, fleet)
        assert tally.ends.total() == len(saves)
        assert sum(tally.final_ends[end] for end in WITH_PICTURE) == final == len(tally.final.seconds)
        assert (tally.ends[SaveEnd.DECLINED] > 0) == (name in {"policy", "both"} and len(saves) > stories)
        assert tally.pictures >= tally.ends[SaveEnd.PAINTED]


def test_a_day_is_repeatable() -> None:
    """Equal arguments give equal figures, waits included."""
    saves = saves_of(newsroom(3), 7)

    assert day(saves, SETTLING) == day(saves, SETTLING)
