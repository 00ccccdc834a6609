"""The editorial policy in a running worker: what it declines, changes and holds, and how it is changed."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from tests.support.harness import BOUND, Cms, Site, WorkerProcess, answer, cms, request_data, workers

RULES = """\
label = "desk-1"
[[rules]]
name = "obituaries"
when.words = ["dies"]
never = true
message = "Obituaries get no generated picture."
[[rules]]
name = "war"
when.section = ["War"]
illustration_only = "illustration"
variants = 2
[[rules]]
name = "courts"
when.section = ["Courts"]
needs_approval = true
approval_time = "1h"
illustration_only = "illustration"
message = "The desk looks at it first."
[[rules]]
name = "tips"
when.section = ["Tips"]
needs_approval = true
approval_time = "2s"
message = "The desk looks at it first."
[[rules]]
name = "live"
when.section = ["Live"]
settle_seconds = 4
[[rules]]
name = "drafts"
when.status = ["draft"]
never = true
older = "finish"
message = "Drafts get no picture."
"""


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(RULES, encoding="utf-8")
    return file


@pytest.fixture(name="site")
def _site(kafka: KafkaServer, s3: S3Server, file: Path) -> Site:
    return Site.fresh(kafka, s3, TOPICS__PARTITIONS="2", POLICY__FILE=str(file)).prepare()


def rewrite(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


def save(article_id: str, revision: int = 1, headline: str = "Storm", **article: Any) -> dict[str, Any]:
    return request_data(article_id, revision, article={"headline": headline, **article})


async def kind(desk: Cms, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    outcome = await answer(desk, await desk.ask(data))
    return outcome["ce"]["type"], outcome


def logged(worker: WorkerProcess, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


async def until_logged(worker: WorkerProcess, event: str, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(BOUND):
        while len(found := logged(worker, event)) < count:
            await asyncio.sleep(0.05)
    return found


async def test_a_declined_request_costs_no_painting_and_is_no_dead_letter(site: Site, tmp_path: Path) -> None:
    """The CMS learns the rule, its sentence and the policy's version; a photograph of war becomes a drawing."""
    with workers(site, tmp_path) as (worker,):
        async with cms(site) as desk:
            declined, outcome = await kind(desk, save("a-1", headline="Jane Smith DIES at 91"))
            war = {**save("a-2", section="War"), "style": {"preset": "photorealistic"}}
            ready, drawn = await kind(desk, war)
            other, plain = await kind(desk, save("a-3"))
            await desk.settle()
        painted = worker.get("/metrics")[1]

    assert declined == names.IMAGE_DECLINED
    assert (outcome["rule"], outcome["message"]) == ("obituaries", "Obituaries get no generated picture.")
    assert outcome["policy"].startswith("desk-1/")
    assert ready == other == names.IMAGE_READY
    assert (drawn["style"]["preset"], len(drawn["pictures"]), drawn["policy"]) == ("illustration", 2, outcome["policy"])
    assert (plain["style"]["preset"], plain["policy"]) == ("default", outcome["policy"])
    assert desk.records(names.DEAD_LETTER) == []
    assert 'leadart_pictures_total{reused="false",style="default"} 1.0' in painted
    lines = {line["article_id"]: line for line in logged(worker, "article_image")}
    assert {line["policy"] for line in lines.values()} == {outcome["policy"]}
    assert (lines["a-1"]["rule"], lines["a-2"]["rule"], "rule" in lines["a-3"]) == ("obituaries", "war", False)


async def test_a_draft_leaves_the_save_before_it_its_picture(site: Site, tmp_path: Path) -> None:
    """While revision 1 is painted, an autosave of a draft comes: it is declined, and revision 1 gets its picture."""
    with workers(site.changed(ENGINE__SWATCH_SECONDS="3"), tmp_path):
        async with cms(site) as desk:
            first = await desk.ask(save("a-1", 1))
            draft, _ = await kind(desk, save("a-1", 2, headline="Storm over", status="draft"))
            ready = await answer(desk, first)

    assert (draft, ready["ce"]["type"]) == (names.IMAGE_DECLINED, names.IMAGE_READY)


async def test_rules_are_read_again_while_the_worker_runs(site: Site, tmp_path: Path, file: Path) -> None:
    """A changed file counts without a restart; a mistake changes nothing, and the worker says that it is degraded."""
    with workers(site, tmp_path) as (worker,):
        async with cms(site) as desk:
            before, _ = await kind(desk, save("a-1", headline="A trial"))
            rewrite(file, RULES.replace("desk-1", "desk-2").replace('"dies"', '"trial"'))
            worker.signal(signal.SIGHUP)
            await until_logged(worker, "policy_loaded", 2)
            after, outcome = await kind(desk, save("a-1", 2, headline="A trial"))
            rewrite(file, RULES.replace("never = true", "never = 3"))
            (refused,) = await until_logged(worker, "policy_refused", 1)
            still, same = await kind(desk, save("a-1", 3, headline="A trial"))
            page = worker.get("/readyz")

    assert (before, after, still) == (names.IMAGE_READY, names.IMAGE_DECLINED, names.IMAGE_DECLINED)
    assert outcome["policy"].startswith("desk-2/")
    assert same["policy"] == outcome["policy"] == refused["in_force"]
    assert "policy.toml:5: rules.0.never: can only be true" in refused["error"]
    assert page[0] == 200
    assert "policy" in json.loads(page[1])["degraded"]


async def approve(desk: Cms, article_id: str, revision: int) -> str:
    data = {"article": {"id": article_id, "revision": revision}, "slot": "hero", "approved_by": "Ada"}
    return await desk.ask(data, event_type=names.IMAGE_APPROVED)


async def test_a_held_request_is_painted_once_an_editor_approves_it(site: Site, tmp_path: Path) -> None:
    """Its outcome follows under its own id, by the rule's style; the approval of another revision is refused."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            asked = await desk.ask({**save("a-1", 3, section="Courts"), "style": {"preset": "photorealistic"}})
            held = await answer(desk, asked)
            wrong = await answer(desk, await approve(desk, "a-1", 2))
            approval = await approve(desk, "a-1", 3)
            ready = await answer(desk, asked, passes=2)
            again = await answer(desk, await approve(desk, "a-1", 3))
            repeat = await desk.ask(save("a-1", 3, section="Courts"), event_id=asked)
            await answer(desk, repeat, passes=3)
            await desk.settle()

    assert (held["ce"]["type"], held["rule"]) == (names.IMAGE_HELD, "courts")
    assert (ready["ce"]["type"], ready["style"]["preset"]) == (names.IMAGE_READY, "illustration")
    assert (ready["policy"], ready["ordinal"]) == (held["policy"], held["ordinal"])
    assert wrong["reason"] == again["reason"] == "nothing_held"
    assert desk.outcomes(approval) == []
    assert desk.outcomes(asked)[-1]["ce"]["type"] == names.IMAGE_READY


async def test_a_newer_save_takes_the_place_of_the_one_that_is_held(site: Site, tmp_path: Path) -> None:
    """The older one is superseded, the newer one is held; a worker killed in between changes nothing."""
    with workers(site, tmp_path) as (worker,):
        async with cms(site) as desk:
            first = await desk.ask(save("a-1", 1, section="Courts"))
            await answer(desk, first)
            worker.kill()
    (after := tmp_path / "after").mkdir()
    with workers(site, after):
        async with cms(site) as desk:
            second = await desk.ask(save("a-1", 2, section="Courts", headline="Storm over"))
            held = await answer(desk, second)
            gone = await answer(desk, first, passes=2)

    assert (held["ce"]["type"], gone["ce"]["type"]) == (names.IMAGE_HELD, names.IMAGE_SUPERSEDED)
    assert gone["superseded_by"] == {"revision": 2}


async def test_what_nobody_approves_expires(site: Site, tmp_path: Path) -> None:
    """After the rule's time, without any other record, as announced; an approval comes too late then."""
    with workers(site, tmp_path):
        async with cms(site) as desk:
            asked = await desk.ask(save("a-1", section="Tips"))
            held = await answer(desk, asked)
            expired = await answer(desk, asked, passes=2)
            late = await answer(desk, await approve(desk, "a-1", 1))

    assert expired["ce"]["type"] == names.IMAGE_EXPIRED
    assert expired["expired_at"] == held["held_until"]
    assert late["reason"] == "nothing_held"


async def test_a_typist_costs_one_painting(site: Site, tmp_path: Path) -> None:
    """Ten saves, each well within the settle time of the one before: the last one alone is painted."""
    with workers(site, tmp_path) as (worker,):
        async with cms(site) as desk:
            asked = []
            for revision in range(1, 11):
                asked.append(await desk.ask(save("a-1", revision, f"Storm {revision}", section="Live")))
                await asyncio.sleep(0.5)
            outcomes = [await answer(desk, request) for request in asked]
        painted = worker.get("/metrics")[1]

    assert [outcome["ce"]["type"] for outcome in outcomes] == [names.IMAGE_SUPERSEDED] * 9 + [names.IMAGE_READY]
    assert outcomes[-1]["prompt"].startswith("Storm 10")
    assert 'leadart_pictures_total{reused="false",style="default"} 1.0' in painted
