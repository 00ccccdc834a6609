"""Editors' choices on real servers, as a subscriber sees them that follows the published rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from tests.support.harness import Cms, Site, answer, cms, request_data, workers
from tests.support.slot import shown


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3, TOPICS__PARTITIONS="2").prepare()


def save(revision: int, **parts: Any) -> dict[str, Any]:
    objects = {name: part for name, part in parts.items() if isinstance(part, dict)}
    return request_data("a-1", revision, **objects) | {n: part for n, part in parts.items() if n not in objects}


def choice(revision: int, **parts: Any) -> dict[str, Any]:
    return {"article": {"id": "a-1", "revision": revision}, "slot": "hero", **parts}


async def choose(desk: Cms, revision: int, picture: dict[str, Any] | None, **parts: Any) -> dict[str, Any]:
    named = None if picture is None else {"sha256": picture["sha256"]}
    data = choice(revision, picture=named, **parts)
    return await answer(desk, await desk.ask(data, event_type=names.IMAGE_CHOSEN))


def slot(desk: Cms) -> dict[str, Any] | None:
    """Return what the slot shows by all outcomes so far."""
    return shown((one["ce"]["type"].split(".")[-2].removeprefix("image-"), one) for one in desk.outcomes())


def picture_of(outcome: dict[str, Any] | None) -> str | None:
    return None if outcome is None else outcome["pictures"][0]["sha256"]


async def test_a_choice_outlives_every_later_save(site: Site, tmp_path: Path) -> None:
    """An editor chooses the second variant; later saves and backfills paint nothing, and are answered with it."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            painted = await answer(desk, await desk.ask(save(1, output={"variants": 2})))
            wanted = painted["pictures"][1]
            point = {"x": 0.25, "y": 0.5}
            chosen = await choose(desk, 1, wanted, alt="Ferries.", caption="In port.", focal_point=point)
            after = slot(desk)
            later = await answer(desk, await desk.ask(save(2, brief={"prompt": "a lighthouse"})))
            offered = await answer(desk, await desk.ask(save(2, reason="regenerate"), event_id="again"))
            last = slot(desk)

    assert (chosen["chosen"], chosen["kept"], chosen["offers"]) == (True, False, False)
    assert picture_of(chosen) == picture_of(after) == picture_of(later) == picture_of(last) == wanted["sha256"]
    assert chosen["pictures"][0]["renditions"]
    assert (chosen["alt"], chosen["caption"]) == (later["alt"], later["caption"]) == ("Ferries.", "In port.")
    assert chosen["pictures"][0]["focal_point"] == later["pictures"][0]["focal_point"] == {**point, "source": "editor"}
    assert (later["kept"], later["seconds"]["engine"]) == (True, 0.0)
    assert (offered["offers"], offered["chosen"], offered["variation"]) == (True, False, 1)
    assert picture_of(offered) not in {one["sha256"] for one in painted["pictures"]}


async def test_letting_go_opens_the_slot(site: Site, tmp_path: Path) -> None:
    """The answer has the same picture, no longer chosen; the next save has its own; a second time fails by name."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            first = await answer(desk, await desk.ask(save(1)))
            await choose(desk, 1, first["pictures"][0])
            let_go = await choose(desk, 1, None)
            between = slot(desk)
            second = await answer(desk, await desk.ask(save(2, brief={"prompt": "a lighthouse"})))
            after = slot(desk)
            nothing = await choose(desk, 2, None)

    assert (let_go["chosen"], picture_of(let_go)) == (False, picture_of(first))
    assert picture_of(between) == picture_of(first)
    assert picture_of(after) == picture_of(second) != picture_of(first)
    assert (nothing["ce"]["type"], nothing["reason"]) == (names.IMAGE_FAILED, "nothing_chosen")


async def test_a_slot_with_a_picture_of_the_sites_own_is_left_alone(site: Site, tmp_path: Path) -> None:
    """After an external choice requests are declined by name, also `regenerate`, until it is let go of."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            await answer(desk, await desk.ask(save(1)))
            external = await choose(desk, 1, None, external=True)
            declined = await answer(desk, await desk.ask(save(2)))
            offered = await answer(desk, await desk.ask(save(2, reason="regenerate"), event_id="again"))
            during = slot(desk)
            await choose(desk, 2, None)
            painted = await answer(desk, await desk.ask(save(3)))
            after = slot(desk)

    assert {one["ce"]["type"] for one in (external, declined, offered)} == {names.IMAGE_DECLINED}
    assert {one["rule"] for one in (external, declined, offered)} == {"external_choice"}
    assert during is None
    assert picture_of(after) == picture_of(painted)


async def test_the_later_request_of_one_revision_wins_whatever_arrives_last(site: Site, tmp_path: Path) -> None:
    """Variation 1, then 0 again: the slot shows 0. A repeat of the first changes nothing; `regenerate` goes on to 2."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            one = await answer(desk, await desk.ask(save(1, generation={"variation": 1}), event_id="one"))
            back = await answer(desk, await desk.ask(save(1), event_id="back"))
            before = slot(desk)
            repeated = await answer(
                desk, await desk.ask(save(1, generation={"variation": 1}), event_id="one"), passes=2
            )
            after = slot(desk)
            more = await answer(desk, await desk.ask(save(1, reason="regenerate"), event_id="more"))

    assert picture_of(before) == picture_of(after) == picture_of(back)
    assert (repeated["ordinal"], repeated["ce"]["id"]) == (one["ordinal"], one["ce"]["id"])
    assert more["variation"] == 2
    assert picture_of(more) not in {picture_of(one), picture_of(back)}


async def test_a_re_crop_of_the_chosen_picture_stays(site: Site, tmp_path: Path) -> None:
    """Moving its focal point changes the choice: the next save is answered with the new crops."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            first = await answer(desk, await desk.ask(save(1, output={"width": 256, "height": 512})))
            await choose(desk, 1, first["pictures"][0])
            point = {"x": 0.5, "y": 0.9}
            data = choice(1, picture={"sha256": picture_of(first)}, focal_point=point)
            cropped = await answer(desk, await desk.ask(data, event_type=names.IMAGE_RECROP_REQUESTED))
            later = await answer(desk, await desk.ask(save(2)))

    assert (cropped["chosen"], cropped["kept"], later["kept"]) == (True, False, True)
    files = [[file["key"] for file in one["pictures"][0]["renditions"]] for one in (first, cropped, later)]
    assert files[0] != files[1] == files[2]
    assert later["pictures"][0]["focal_point"] == {**point, "source": "editor"}


async def test_a_choice_outlives_the_workers(site: Site, tmp_path: Path) -> None:
    """Workers killed right after a choice: their successors keep it, also for a save that another lane brings."""
    with workers(site, tmp_path) as (worker,):
        async with cms(site) as desk:
            first = await answer(desk, await desk.ask(save(1)))
            await choose(desk, 1, first["pictures"][0])
        worker.kill()
    (after := tmp_path / "after").mkdir()
    with workers(site, after):
        async with cms(site) as desk:
            later = await answer(desk, await desk.ask(save(2), topic=names.BACKFILL))

    assert (later["kept"], picture_of(later)) == (True, picture_of(first))


async def test_a_choice_of_an_unknown_picture_is_refused_and_changes_nothing(site: Site, tmp_path: Path) -> None:
    """The field is named; the slot goes on as before."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            unknown = await choose(desk, 1, {"sha256": "0" * 64})
            painted = await answer(desk, await desk.ask(save(1)))

    assert (unknown["reason"], unknown["field"]) == ("unknown_picture", "picture.sha256")
    assert (painted["chosen"], painted["kept"]) == (False, False)


async def test_a_reset_of_a_revision_keeps_the_choice_and_the_order(site: Site, tmp_path: Path) -> None:
    """After `heads reset` the slot still keeps its choice; once let go, it shows the next save, whatever was before."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            first = await answer(desk, await desk.ask(save(1)))
            await choose(desk, 1, first["pictures"][0])
            mistaken = await answer(desk, await desk.ask(save(2**40)))
            reset = site.run("heads", "reset", "a-1", "--execute")
            kept = await answer(desk, await desk.ask(save(2)))
            await choose(desk, 2, None)
            painted = await answer(desk, await desk.ask(save(3, brief={"prompt": "a lighthouse"})))
            after = slot(desk)

    assert reset.returncode == 0, reset.stderr
    assert (mistaken["kept"], kept["kept"]) == (True, True)
    assert picture_of(after) == picture_of(painted) != picture_of(first)


async def test_a_mistaken_revision_that_is_shown_goes_with_a_choice(site: Site, tmp_path: Path) -> None:
    """A picture announced under it is the highest for ever; choosing the right one, and letting go, opens the slot."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            mistaken = await answer(desk, await desk.ask(save(2**40)))
            site.run("heads", "reset", "a-1", "--execute")
            right = await answer(desk, await desk.ask(save(2, brief={"prompt": "a lighthouse"})))
            before = slot(desk)
            await choose(desk, 2, right["pictures"][0])
            chosen = slot(desk)
            await choose(desk, 2, None)
            later = await answer(desk, await desk.ask(save(3, brief={"prompt": "a ferry"})))
            after = slot(desk)

    assert picture_of(before) == picture_of(mistaken)
    assert picture_of(chosen) == picture_of(right)
    assert picture_of(after) == picture_of(later)
