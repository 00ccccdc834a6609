"""store.js: what was listed, and what the stream says since."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.desk_modules import called, ran

STORE = """\
import { Store } from "./store.js";
const store = new Store();
const known = [];
for (const [method, value] of given) known.push(store[method](value) ?? null);
export default { articles: store.articles(), known };
"""


def image(number: int = 1, state: str = "queued", **facts: Any) -> dict[str, Any]:
    return {
        "id": f"r-{number}",
        "kind": "request",
        "state": state,
        "article": {"id": "a-1", "revision": number},
        "slot": "hero",
        "asked_at": f"2026-11-30T08:00:0{number}.000Z",
        "outcome_at": None,
        "progress": None,
        "outcome": None,
        **facts,
    }


def article(latest: dict[str, Any], article_id: str = "a-1", updated: int = 1) -> dict[str, Any]:
    slot = {"slot": "hero", "state": latest["state"], "latest": latest, "picture": None}
    return {"id": article_id, "updated_at": f"2026-11-30T08:00:{updated:02}.000Z", "slots": [slot]}


def after(*calls: tuple[str, Any]) -> dict[str, Any]:
    """Return the store after these calls: its articles, and what each call returned."""
    stored: dict[str, Any] = ran(STORE, calls)
    return stored


def latest(*calls: tuple[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = after(*calls)["articles"][0]["slots"][0]
    assert found["state"] == found["latest"]["state"]
    return dict(found["latest"])


def step(number: int, at: int, state: str = "painting") -> dict[str, Any]:
    return image(number, state, progress=[{"stage": "step", "step": at, "of": 12, "index": 0}])


def test_a_later_request_takes_the_place_of_the_one_before() -> None:
    """Also while that one is painted."""
    assert latest(("replace", [article(step(1, 3))]), ("take", image(2)))["id"] == "r-2"


def test_an_earlier_requests_end_changes_nothing() -> None:
    """A superseded save is announced after the newer one was asked for."""
    superseded = image(1, "superseded", outcome_at="2026-11-30T08:00:09.000Z")
    assert latest(("replace", [article(image(2))]), ("take", superseded))["id"] == "r-2"


def test_progress_never_goes_back() -> None:
    """A report that comes late, or after the outcome, is left out."""
    ready = image(1, "ready", outcome_at="2026-11-30T08:00:05.000Z")
    assert latest(("replace", [article(step(1, 5))]), ("take", step(1, 4)))["progress"][0]["step"] == 5
    assert latest(("replace", [article(ready)]), ("take", step(1, 6)))["state"] == "ready"


def test_an_approval_leaves_the_state_to_what_was_held() -> None:
    """The held request goes on under its own id."""
    approval = image(2, "approved", kind="approval")
    assert latest(("replace", [article(image(1, "held"))]), ("take", approval))["id"] == "r-1"


def test_a_held_request_that_is_painted_says_so() -> None:
    """Painting comes after holding, although it was asked for only once."""
    assert latest(("replace", [article(image(1, "held"))]), ("take", step(1, 1)))["state"] == "painting"


def test_a_decision_about_the_whole_article_is_about_each_slot() -> None:
    """A withdrawal without a slot is."""
    withdrawal = image(2, "withdrawn", kind="withdrawal", slot=None)
    assert latest(("replace", [article(image(1))]), ("take", withdrawal))["state"] == "withdrawn"


def test_an_answer_that_took_its_time_does_not_undo_what_the_stream_said_of_the_same_request() -> None:
    """It was on its way while progress was reported."""
    assert latest(("replace", [article(step(1, 5))]), ("put", article(image(1))))["state"] == "painting"


def test_an_answer_decides_which_request_a_slot_is_about() -> None:
    """The gateway knows which one tells how the slot stands."""
    assert latest(("replace", [article(image(2))]), ("put", article(image(1, "held"))))["id"] == "r-1"


@pytest.mark.parametrize(
    ("calls", "known"),
    [
        ([("take", image())], False),
        ([("replace", [article(image())]), ("take", image(2))], True),
        ([("replace", [article(image())]), ("take", image(2, slot="inline-2"))], False),
    ],
    ids=["unknown article", "known", "unknown slot"],
)
def test_what_is_not_known_is_asked_for(calls: list[tuple[str, Any]], *, known: bool) -> None:
    """A new article and a new slot have to be read."""
    assert after(*calls)["known"][-1] is known


def test_it_is_bounded_and_the_latest_changed_come_first() -> None:
    """Of more articles than it keeps, the one that changed longest ago goes."""
    many = [("put", article(image(), f"a-{number}", number % 60)) for number in range(2030)]
    articles = after(*many)["articles"]
    assert len(articles) == 2000
    assert [each["updated_at"] for each in articles] == sorted((each["updated_at"] for each in articles), reverse=True)


def test_a_page_of_earlier_articles_comes_last() -> None:
    """It undoes nothing that the stream said meanwhile of an article that is known."""
    earlier = ("extend", [article(image(), "a-0", 1), article(image())])
    articles = after(("replace", [article(step(1, 5), updated=9)]), earlier)["articles"]
    assert [(each["id"], each["slots"][0]["state"]) for each in articles] == [("a-1", "painting"), ("a-0", "queued")]


@pytest.mark.parametrize(
    ("options", "share"),
    [({"index": 0}, 0.5), ({"index": 1}, 0.25), ({"index": 2}, 0), ({"variants": 3}, 0.25)],
)
def test_progress_is_a_share_of_each_picture_and_of_all(options: dict[str, int], share: float) -> None:
    """A picture that nothing is reported of yet counts as not begun."""
    reports = [{"stage": "step", "step": 6, "of": 12, "index": 0}, {"stage": "step", "step": 3, "of": 12, "index": 1}]
    told = image(
        state="painting", progress=[*reports, {"stage": "accepted", "step": None, "of": None, "index": None}][:2]
    )
    assert called("store.js", [("progressOf", [told, options])]) == [share]
