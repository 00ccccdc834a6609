"""The saves of a day: each story's life in order, and every number as the newsroom's file says."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dev.simulate.day.stories import Save, saves_of
from schemas import RequestReason
from tests.unit.dev.simulate.day.newsrooms import newsroom


def by_story(saves: list[Save]) -> dict[str, list[Save]]:
    """Return each story's saves, without editors' requests."""
    stories: defaultdict[str, list[Save]] = defaultdict(list)
    for save in saves:
        if not save.interactive:
            stories[save.request.article.id].append(save)
    return stories


@given(st.integers(0, 10**6))
def test_a_story_lives_in_order(seed: int) -> None:
    """Times and revisions rise together, from a draft over autosaves to what is published; its last save is final."""
    saves = saves_of(newsroom(3), seed)

    assert [save.at for save in saves] == sorted(save.at for save in saves)
    for story in by_story(saves).values():
        assert [save.request.article.revision for save in story] == list(range(1, len(story) + 1))
        statuses = [save.request.article.status or "" for save in story]
        assert statuses == sorted(statuses, key=["draft", "autosave", "published"].index)
        assert statuses.count("draft") == 1
        assert [save.final for save in story] == [False] * (len(story) - 1) + [statuses[-1] == "published"]


def test_a_seed_gives_one_day() -> None:
    """Equal seeds give equal days, other seeds others."""
    assert saves_of(newsroom(5), 4) == saves_of(newsroom(5), 4)
    assert saves_of(newsroom(5), 4) != saves_of(newsroom(5), 5)


def test_the_numbers_are_those_of_the_file() -> None:
    """A typist who never pauses saves at each interval; shares of all or nothing are met exactly."""
    writing = {"typing_share": 1, "minutes": 10, "headlines": 0}
    busy = newsroom(60, writing=writing, published_share=1, corrections={"count": 0}, editors={"asking_share": 1})
    saves = saves_of(busy, 1)
    stories = by_story(saves)

    assert len(stories) == 60
    assert sum(save.interactive for save in saves) == 60
    assert sum(save.final for save in saves) == 60
    autosaves = [save for save in saves if save.request.article.status == "autosave" and not save.interactive]
    assert len(autosaves) / 60 == pytest.approx(60, rel=0.25)
    for story in stories.values():
        written = story[1:-1]
        gaps = [after.at - before.at for before, after in pairwise(written)]
        assert all(gap == pytest.approx(10, abs=1) for gap in gaps)


def test_unpublished_stories_stay_drafts() -> None:
    """Nothing of a story that is not published is final, and no editor asks for its picture."""
    saves = saves_of(newsroom(10, published_share=0), 1)

    assert {save.request.article.status for save in saves} == {"draft", "autosave"}
    assert not any(save.final or save.interactive for save in saves)


def test_an_editor_asks_for_what_is_published() -> None:
    """An editor's request is for other pictures of the newest revision, and those who choose take their time."""
    eager = newsroom(30, published_share=1, editors={"asking_share": 1, "choosing_share": 1, "pictures": 4})
    saves = saves_of(eager, 2)
    newest: dict[str, int] = {}
    for save in saves:
        article = save.request.article
        if not save.interactive:
            newest[article.id] = article.revision
            continue
        assert (article.status, article.revision) == ("published", newest[article.id])
        assert (save.request.reason, save.request.output.variants) == (RequestReason.REGENERATE, 4)
        assert save.decides_after is not None
        assert save.decides_after > 0
