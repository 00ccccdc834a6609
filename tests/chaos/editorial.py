"""What editors decide, in the matrix: what is published about it, and what may then not be.

Each story publishes a third of its events before the strike, a third up to it and a third behind it.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from consumer.storage import S3Store
from schemas import names
from schemas.cloudevents import Event, write
from tests.chaos.scene import Scene
from tests.support.harness import BOUND, Cms, Site, request_data
from tests.support.slot import shown

ARTICLES = tuple(f"article-{number}" for number in range(10))
SETTLE_SECONDS = 30.0
POLICY = "policy.toml"
OTHERS_SECONDS = 90.0

Outcomes = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Told:
    """One record. `event_id` is its event's; a repeat has that of an earlier one."""

    event_id: str
    event_type: str
    data: Mapping[str, Any]
    topic: str = names.REQUESTED


@dataclass(frozen=True, slots=True)
class Faults:
    """What the decisions promise, counted where it was not kept."""

    choices_lost: int = 0
    left_behind: int = 0
    wrong: int = 0


class Story(Protocol):
    """Something that editors decide, told in three parts."""

    def settings(self, folder: Path) -> Mapping[str, str]:
        """Return the workers' settings, without `LEADART_`; files of theirs are in the folder."""

    def before(self) -> list[Told]:
        """Return what is answered before the strike."""

    async def during(self, scene: Scene, outcomes: Outcomes) -> list[Told]:
        """Return what is published up to the strike; `outcomes` are those of before."""

    async def behind(self, scene: Scene) -> list[Told]:
        """Return what is published when the strike has fallen."""

    async def faults(self, site: Site, outcomes: Outcomes) -> Faults:
        """Count what was promised and not kept; every outcome is there."""


class Quiet:
    """What most stories have in common: saves of each article before, and again behind."""

    def settings(self, folder: Path) -> Mapping[str, str]:
        assert folder
        return {}

    def before(self) -> list[Told]:
        return [save(article, 1) for article in ARTICLES]

    async def behind(self, scene: Scene) -> list[Told]:
        assert scene
        return [save(article, 3) for article in ARTICLES]


@dataclass
class Choice(Quiet):
    """A picture is chosen in each article, amid saves by two lanes, a regeneration and repeats; all must keep it."""

    chosen: dict[str, str] = field(default_factory=dict)

    async def during(self, scene: Scene, outcomes: Outcomes) -> list[Told]:
        told = []
        for number, article in enumerate(ARTICLES):
            (ready,) = [one for one in outcomes if one["article"]["id"] == article]
            self.chosen[article] = sha256 = ready["pictures"][0]["sha256"]
            data = {**about(article, 1), "slot": "hero", "picture": {"sha256": sha256}}
            choice = Told(f"choice-{article}", names.IMAGE_CHOSEN, data)
            again = save(article, 2, "again", reason="regenerate")
            later = save(article, 2, topic=(names.REQUESTED, names.BACKFILL)[number % 2])
            told += [later, choice, again] if number % 3 else [choice, again, later, choice]
        scene.dice.shuffle(told)
        return told

    async def faults(self, site: Site, outcomes: Outcomes) -> Faults:
        assert site
        shows = {article: state_of(article, outcomes) for article in ARTICLES}
        return Faults(choices_lost=sum(_picture(shows[article]) != sha for article, sha in self.chosen.items()))


class TakeDown(Quiet):
    """Each article is taken down amid saves by two lanes and a repeat; then the bucket is listed."""

    async def during(self, scene: Scene, outcomes: Outcomes) -> list[Told]:
        assert scene
        assert outcomes
        told = []
        for number, article in enumerate(ARTICLES):
            data = {"article": {"id": article}, "slot": None, "reason": "A court forbids it."}
            down = Told(f"down-{article}", names.ARTICLE_WITHDRAWN, data)
            later = save(article, 2, topic=(names.REQUESTED, names.BACKFILL)[number % 2])
            told += [later, down] if number % 3 else [down, later, down]
        return told

    async def faults(self, site: Site, outcomes: Outcomes) -> Faults:
        deadline = time.monotonic() + SETTLE_SECONDS
        while (left := await _keys(site)) and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
        return Faults(left_behind=len(left), wrong=sum(state_of(one, outcomes) is not None for one in ARTICLES))


class PolicyReload(Quiet):
    """The policy forbids the articles of one section from now on: saves that follow its loading are declined."""

    def __init__(self) -> None:
        self._file = Path()

    def settings(self, folder: Path) -> Mapping[str, str]:
        self._file = folder / POLICY
        self._write("open", "nobody")
        return {"POLICY__FILE": str(self._file)}

    async def during(self, scene: Scene, outcomes: Outcomes) -> list[Told]:
        assert outcomes
        self._write("closed", "courts")
        for worker in scene.fleet.workers:
            worker.signal(signal.SIGHUP)
        return [save(article, 2) for article in ARTICLES]

    async def behind(self, scene: Scene) -> list[Told]:
        """Wait until every worker has loaded what is there now."""
        deadline = time.monotonic() + BOUND
        while not all('"version": "closed' in worker.log.read_text() for worker in scene.fleet.workers):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        return [save(article, 3) for article in ARTICLES]

    async def faults(self, site: Site, outcomes: Outcomes) -> Faults:
        assert site
        third = {one["article"]["id"]: one["ce"]["type"] for one in outcomes if one["request_id"].endswith("-3")}
        due = {article: names.IMAGE_DECLINED if _in_court(article) else names.IMAGE_READY for article in ARTICLES}
        return Faults(wrong=sum(third.get(article) != kind for article, kind in due.items()))

    def _write(self, label: str, section: str) -> None:
        draft = self._file.with_suffix(".draft")
        draft.write_text(
            f'label = "{label}"\n[[rules]]\nname = "closed"\nmessage = "No pictures here."\n'
            f'when.section = ["{section}"]\nnever = true\n',
            encoding="utf-8",
        )
        draft.rename(self._file)


class Pause(Quiet):
    """A section is paused, and resumed behind the strike: till then nothing of it is answered, then all is painted."""

    def __init__(self) -> None:
        self._early = 0

    async def during(self, scene: Scene, outcomes: Outcomes) -> list[Told]:
        assert outcomes
        await _operate(scene.site, "pause", "--section", "courts", "--execute")
        return [save(article, 2) for article in ARTICLES]

    async def behind(self, scene: Scene) -> list[Told]:
        """Resume the section once everything else is answered."""
        others = {one.event_id for one in (save(article, 2) for article in ARTICLES if not _in_court(article))}
        await scene.desk.until(lambda: others <= {one["request_id"] for one in scene.desk.outcomes()}, OTHERS_SECONDS)
        self._early = len(_paused(scene.desk.outcomes()))
        await _operate(scene.site, "resume", "--section", "courts", "--execute")
        return [save(article, 3) for article in ARTICLES if not _in_court(article)]

    async def faults(self, site: Site, outcomes: Outcomes) -> Faults:
        assert site
        unpainted = [one for one in _paused(outcomes) if one["ce"]["type"] != names.IMAGE_READY]
        return Faults(wrong=self._early + len(unpainted))


async def _operate(site: Site, *arguments: str) -> None:
    """Run the command, which is no worker to be caught; again if it was cut off: it completes what it left."""
    deadline, commands = time.monotonic() + BOUND, site.without("WORKER__FAILPOINTS")
    while (done := await asyncio.to_thread(commands.run, *arguments)).returncode:
        assert time.monotonic() < deadline, done.stderr


def _paused(outcomes: Outcomes) -> list[dict[str, Any]]:
    """Return the outcomes of what is published while its section is paused."""
    return [one for one in outcomes if _in_court(one["article"]["id"]) and one["article"]["revision"] == 2]


def save(article: str, revision: int, name: str = "", topic: str = names.REQUESTED, **parts: Any) -> Told:
    """Return a save; the pictures of each article and revision are its own."""
    data = request_data(article, revision, brief={"prompt": f"{article} {revision}"}, **parts)
    data["article"]["section"] = "courts" if _in_court(article) else "culture"
    return Told(f"{name or 'save'}-{article}-{revision}", names.IMAGE_REQUESTED, data, topic)


def about(article: str, revision: int) -> dict[str, Any]:
    """Return the beginning of a decision's data."""
    return {"article": {"id": article, "revision": revision}}


async def publish(desk: Cms, told: Iterable[Told]) -> None:
    """Publish the records in their order."""
    for one in told:
        event = Event(id=one.event_id, source="/cms/chaos", type=one.event_type, data=one.data)
        headers, value = write(event)
        await desk.publish(one.data["article"]["id"].encode(), value, headers, one.topic)


def state_of(article: str, outcomes: Outcomes) -> dict[str, Any] | None:
    """Return what an article's slot shows, by the rule for subscribers."""
    own = [one for one in outcomes if one["article"]["id"] == article and one["slot"] is not None]
    return shown((one["ce"]["type"].split(".")[-2].removeprefix("image-"), one) for one in own)


def _picture(ready: Mapping[str, Any] | None) -> str | None:
    return None if ready is None else ready["pictures"][0]["sha256"]


def _in_court(article: str) -> bool:
    return article in ARTICLES[::2]


async def _keys(site: Site) -> set[str]:
    """Return every key in the bucket, but those of probes and of the withdrawals themselves."""
    async with S3Store(site.settings.storage) as store:
        keys = await store._objects.keys(store._pictures, "")
    return {key for key in keys if not key.endswith("/probe") and not key.startswith("manifests/withdrawn/")}
