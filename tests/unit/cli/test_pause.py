"""`leadart pause`, `resume` and `replay cancel`: dry runs by default, and what they say."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from typer.testing import CliRunner

from consumer.admin.controls import ControlsChange
from consumer.cli.root import app
from consumer.delivery.controls import Controls, Selector
from consumer.settings import Settings

REPLAY = "0123456789abcdef"
ENDS = [{"article-image-backfill": 7}, {"article-image-backfill": 9}]


class Bus:
    """Stands in for Kafka: two shards, and what waits in the lanes."""

    def __init__(self) -> None:
        self.shards = [Controls(), Controls()]
        self.queued = Counter[str]()
        self.ended: list[str] = []
        self.finished = [{"article-image-backfill": 0}, {"article-image-backfill": 0}]

    async def read(self, _settings: Settings) -> list[Controls]:
        return self.shards

    async def change(self, _settings: Settings, change: ControlsChange) -> int:
        before = self.shards
        self.shards = [change(shard, controls) for shard, controls in enumerate(before)]
        return sum(old != new for old, new in zip(before, self.shards, strict=True))

    async def count(self, *_arguments: object) -> Counter[str]:
        return self.queued

    async def ends(self, _settings: Settings) -> list[dict[str, int]]:
        return ENDS

    async def below(self, _settings: Settings) -> list[dict[str, int]]:
        return self.finished

    async def end(self, _settings: Settings, replay: str) -> None:
        self.ended.append(replay)


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    made = Bus()
    monkeypatch.setattr("consumer.admin.controls.shard_controls", made.read)
    monkeypatch.setattr("consumer.admin.controls.change_controls", made.change)
    monkeypatch.setattr("consumer.admin.controls.lane_ends", made.ends)
    monkeypatch.setattr("consumer.admin.controls.finished_below", made.below)
    monkeypatch.setattr("consumer.admin.controls.end_replay", made.end)
    monkeypatch.setattr("consumer.admin.queued.count_queued", made.count)
    return made


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_pause_is_a_dry_run_by_default(bus: Bus) -> None:
    """It says what it would pause and how to do it, and changes nothing."""
    said = run("pause", "--lane", "backfill")

    assert said.splitlines()[0] == "would pause  lane article-image-backfill (2 shards)"
    assert "add --execute" in said
    assert bus.shards == [Controls(), Controls()]


def test_a_pause_is_listed_until_it_is_resumed(bus: Bus) -> None:
    """Every shard has it; a lane may be named in short, in full, or with the site's prefix."""
    assert run("pause", "--lane", "article-image-backfill", "--execute").startswith("paused  lane")
    assert "nothing to do" in run("pause", "--lane", "backfill", "--execute")
    assert run("pause").startswith("paused  lane article-image-backfill, ")
    (listed,) = json.loads(run("pause", "--json"))["controls"]
    assert run("resume", "--lane", "backfill", "--execute") == "resumed  lane article-image-backfill (2 shards)\n"

    assert (listed["match"], listed["shards"]) == ({"lane": "article-image-backfill"}, [0, 1])
    assert run("pause") == "nothing is paused\n"
    assert bus.shards == [Controls(), Controls()]


def test_a_pause_that_was_cut_off_is_told(bus: Bus) -> None:
    """The list names the shards that have it, and the same command completes it."""
    bus.shards[0] = Controls().pause(Selector(section="sports"), 1)

    assert "only in shards [0] of 2; the command was cut off: run it again" in run("pause")
    assert run("pause", "--section", "sports", "--execute") == "paused  section sports (1 shard)\n"
    assert "only in" not in run("pause")


def test_several_options_narrow_a_pause(bus: Bus) -> None:
    """It holds requests that meet all of them."""
    run("pause", "--section", "sports", "--source", "/cms/wire", "--execute")

    assert [pause.match for pause in bus.shards[1].pauses] == [Selector(section="sports", source="/cms/wire")]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("pause", "--lane", "bakfill"), "is not a lane"),
        (("pause", "--section", ""), "--section has 0 characters"),
        (("resume",), "say what to resume"),
        (("replay", "cancel"), "say what to call off"),
        (("replay", "cancel", "r1"), "no replay's id"),
        (("replay",), "say where to start"),
    ],
)
def test_a_command_that_names_nothing_is_refused(bus: Bus, arguments: tuple[str, ...], complaint: str) -> None:
    """Nothing is paused or called off by a slip."""
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "500"})

    assert done.exit_code == 2
    assert complaint in done.output
    assert bus.shards == [Controls(), Controls()]


def test_a_cancel_counts_what_waits_and_is_a_dry_run_by_default(bus: Bus) -> None:
    """It says how many requests wait in which lane; of a section, that live saves are among them."""
    bus.queued.update({"article-image-backfill": 118, "article-image-retry-1m": 2})
    said = run("replay", "cancel", "--section", "sports")

    assert said.startswith(
        "would call off  section sports: 118 in article-image-backfill, 2 in article-image-retry-1m\n"
    )
    assert "live saves too" in said
    assert (bus.shards, bus.ended) == ([Controls(), Controls()], [])


def test_a_cancel_holds_below_the_lanes_ends(bus: Bus) -> None:
    """A run of the replay that still publishes is ended first; each shard has its own offsets."""
    bus.queued["article-image-backfill"] = 3
    said = run("replay", "cancel", REPLAY, "--execute")

    assert said == f"called off  replay {REPLAY}: 3 in article-image-backfill\n"
    assert bus.ended == [REPLAY]
    assert [cancel.below for shard in bus.shards for cancel in shard.cancels] == ENDS
    assert run("pause").startswith(f"called off  replay {REPLAY}, ")


def test_nothing_is_written_where_nothing_waits(bus: Bus) -> None:
    """A mistyped id is told apart from a replay that was called off."""
    assert "nothing to do" in run("replay", "cancel", REPLAY, "--lane", "backfill", "--execute")
    assert bus.shards == [Controls(), Controls()]


def test_a_cancel_is_listed_until_the_group_is_past_it(bus: Bus) -> None:
    """Once all is finished that was in the lanes, it is history: one line for all of them, and in JSON."""
    bus.queued["article-image-backfill"] = 3
    run("replay", "cancel", REPLAY, "--execute")
    run("replay", "cancel", "--section", "sports", "--execute")
    bus.finished = [{"article-image-backfill": 7}, {"article-image-backfill": 8}]
    standing = run("pause").splitlines()
    bus.finished = [{"article-image-backfill": 7}, {"article-image-backfill": 9}]
    run("pause", "--lane", "backfill", "--execute")
    past = run("pause").splitlines()
    listed = json.loads(run("pause", "--json"))["controls"]

    assert [line.partition(", ")[0] for line in standing] == [
        f"called off  replay {REPLAY}",
        "called off  section sports",
    ]
    assert past[0].startswith("paused  lane article-image-backfill, ")
    assert past[1:] == ["called off before, and finished since: 2 (--json lists them)"]
    assert [each["history"] for each in listed] == [False, True, True]
    run("resume", "--lane", "backfill", "--execute")
    assert run("pause").splitlines() == ["nothing is paused", *past[1:]]
