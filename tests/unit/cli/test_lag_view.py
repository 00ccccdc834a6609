from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from io import StringIO

from rich.console import Console

from consumer.cli.lag_view import SHOWN, LagView
from consumer.delivery.controls import NO_CONTROLS, Selector
from consumer.delivery.ports import Partition
from consumer.delivery.positions import Obstacle, StuckPartition
from consumer.kafka.topics import lane_topics
from consumer.lag.backlog import NO_BACKLOG, Backlog
from consumer.lag.history import LagHistory
from consumer.lag.reader import LagSnapshot, PartitionLag
from consumer.lag.throughput import NO_THROUGHPUT, Throughput
from consumer.settings import Settings
from schemas import Reason
from schemas.names import BACKFILL, REQUESTED, RETRY_1M

NOW = 1_800_000_000_000
SETTINGS = Settings.model_validate({"topics": {"prefix": "staging-"}})
FIGURES = {
    *("verdict", "lag", "incomplete", "paused", "not_due", "hidden"),
    *("oldest_seconds", "engine_seconds", "drain_seconds"),
}
MEASURED = Throughput(20.0, 300, dict.fromkeys(range(12), NOW - 5000))


def lag(base: str, shard: int, *, due: int = 0, not_due: int = 0, hidden: int = 0, trouble: str = "") -> PartitionLag:
    pending = Backlog(due, not_due, NOW - 30_000 if due else None, exact=True) if due or not_due else NO_BACKLOG
    at = (SETTINGS.topics.named(base), shard, 4_000_000, 4_000_000 + due + not_due, 0)
    return PartitionLag(*at, trouble, hidden, pending)


def view(lags: Iterable[PartitionLag], members: int | None = 3, measured: Throughput = MEASURED) -> LagView:
    look = LagSnapshot(NOW, members, measured, tuple(lags))
    return LagView(look, LagHistory(SETTINGS).assess(look))


def whole_group(due: int = 0) -> list[PartitionLag]:
    lanes = [topic.removeprefix("staging-") for topic in lane_topics(SETTINGS)]
    first = lag(REQUESTED, 0, due=due)
    rest = [lag(lane, shard) for lane in lanes for shard in range(12) if (lane, shard) != (REQUESTED, 0)]
    return [first, *rest]


def printed(
    shown: LagView, *, whole: bool = False, devices: int | None = None, why: str = "", width: int = 80
) -> list[str]:
    out = Console(file=StringIO(), width=width)
    out.print(shown.as_tables(SETTINGS, devices, whole=whole, why=why))
    assert isinstance(out.file, StringIO)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


def test_a_group_that_is_well_takes_seven_lines() -> None:
    """All is well: who works and how fast, a line for each lane, nothing else."""
    lines = printed(view(whole_group(due=2)))

    assert lines[0] == "group staging-leadart: OK, 3 workers, 20 s per job, median of the last 300"
    assert lines[2].split() == ["requested", "OK", "2", "2", "0", "30", "s", "40", "s"]
    assert len(lines) == 7


def test_partitions_that_are_not_well_are_listed() -> None:
    """With nobody at work the partitions are named, and what to do; of many only the first, and how many are left."""
    one = printed(view(whole_group(due=2), members=0))
    many = printed(view([lag(REQUESTED, shard, due=1) for shard in range(SHOWN + 5)], members=0))
    all_of_them = printed(view([lag(REQUESTED, shard, due=1) for shard in range(SHOWN + 5)], members=0), whole=True)

    assert one[0].startswith("group staging-leadart: STOPPED, 0 workers")
    assert one[9].split()[:3] == ["requested:0", "STOPPED", "2"]
    assert one[10:] == ["nobody is in the group: start workers, or see /readyz of those that run"]
    assert many[-2] == "and 5 more; --partitions shows all"
    assert len(all_of_them) == len(many) - 1 + 5


def test_the_time_to_drain_is_told_only_where_the_devices_are_known() -> None:
    """Kafka does not know how many devices paint: without the option there is no such column, in JSON it is null."""
    shown = view(whole_group(due=60))

    assert "drain" not in printed(shown)[1]
    assert printed(shown, devices=4)[2].endswith("5.0 min")
    assert shown.as_json(SETTINGS, None)["drain_seconds"] is None
    assert shown.as_json(SETTINGS, 4)["drain_seconds"] == 300.0


def test_what_hides_and_what_hinders_is_told_in_words() -> None:
    """Open transactions name their partitions, a worker's trouble its shards and remedy, a failed look its cause."""
    text = " ".join(
        printed(
            view([lag(REQUESTED, 0, hidden=12), lag(BACKFILL, 4, trouble=Reason.STORE_UNAVAILABLE)]),
            why="Kafka does not answer: gone",
        )
    )

    assert "hidden behind open transactions: requested:0 (12)" in text
    assert f"shards [4] wait, {Reason.STORE_UNAVAILABLE}: " in text
    assert text.endswith("Kafka does not answer: gone")


def test_what_stands_still_is_told_with_the_command() -> None:
    """Partitions whose offset the log does not reach are named together, and so is what was deleted unread."""
    stuck = [
        replace(lag(REQUESTED, shard), stuck=StuckPartition(Partition(REQUESTED, shard), Obstacle.BEYOND_END, "9 of 2"))
        for shard in (1, 2)
    ]
    shown = view([*stuck, replace(lag(BACKFILL, 4), deleted=42)])
    text = "\n".join(printed(shown, width=500))

    assert f"--only {REQUESTED}:1 --only {REQUESTED}:2 --force" in text
    assert "deleted before they were read: backfill:4 (42)" in text
    assert shown.as_json(SETTINGS, None)["verdict"] == "STOPPED"
    assert shown.as_json(SETTINGS, None)["partitions"][0]["stuck"] == "committed offset beyond the log's end"


def test_a_paused_lane_is_no_lag() -> None:
    """Its requests stand apart and its verdict is OK, though the group is empty; what is paused is named, with them."""
    topic = SETTINGS.topics.named(BACKFILL)
    pauses = NO_CONTROLS.pause(Selector(lane=topic), NOW).pause(Selector(section="sports"), NOW)
    held = replace(lag(BACKFILL, 4, due=7), held=True)
    look = LagSnapshot(NOW, 0, MEASURED, (lag(REQUESTED, 4), held), pauses)
    shown = LagView(look, LagHistory(SETTINGS).assess(look))
    text, document = "\n".join(printed(shown, width=500)), shown.as_json(SETTINGS, None)

    assert (document["verdict"], document["incomplete"], document["paused"], document["lag"]) == ("OK", 0, 7, 7)
    assert document["pauses"] == [
        {"match": {"lane": topic}, "since": "2027-01-15T08:00:00+00:00"},
        {"match": {"section": "sports"}, "since": "2027-01-15T08:00:00+00:00"},
    ]
    assert text.splitlines()[-2:] == [
        f"paused since 2027-01-15T08:00:00+00:00: lane {topic}; waiting there, not counted as incomplete: 7",
        "paused since 2027-01-15T08:00:00+00:00: section sports",
    ]
    assert [line.split()[:3] for line in text.splitlines()[2:4]] == [
        ["requested", "OK", "0"],
        ["backfill", "paused", "7"],
    ]


def test_what_could_not_be_read_is_not_called_running() -> None:
    """Where the controls were not read in time, the table says so, and where to look."""
    shown = LagView(LagSnapshot(NOW, 1, MEASURED, (), None), [])
    assert shown.as_json(SETTINGS, None)["pauses"] is None
    look = LagSnapshot(NOW, 1, MEASURED, (lag(REQUESTED, 0),), None)
    assert "what is paused is unknown" in "\n".join(printed(LagView(look, LagHistory(SETTINGS).assess(look))))


def test_the_json_has_the_documented_shape() -> None:
    """Whole group, lanes and partitions have the same figures; what is unknown is null, and the old keys are there."""
    unknown = PartitionLag(SETTINGS.topics.named(RETRY_1M), 1, None, 5, None)
    shown = view([lag(REQUESTED, 0, due=3), unknown], None, NO_THROUGHPUT).as_json(SETTINGS, None)
    document = json.loads(json.dumps(shown))

    assert set(document) == {"group", "at", "members", "measured", "pauses", "lanes", "partitions"} | FIGURES
    assert set(document["lanes"][0]) == {"topic"} | FIGURES
    old = {"topic", "partition", "committed", "end", "finished_above", "trouble", "lag", "incomplete"}
    assert set(document["partitions"][0]) == old | {"exact", "foreign", "deleted", "stuck"} | FIGURES
    assert (
        document["partitions"][1]["incomplete"]
        is document["incomplete"]
        is document["lag"]
        is document["members"]
        is None
    )
    assert document["measured"] == {"engine_seconds": None, "outcomes": 0}


def test_every_line_fits_into_eighty_columns() -> None:
    """Long numbers and every column there is: nothing is wrapped or cut."""
    lags = [lag(RETRY_1M, shard, due=98_765, not_due=12_345) for shard in range(12)]
    lines = printed(view([*lags, *whole_group()]), devices=2, whole=True)

    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert lines[3].split()[:5] == ["retry-1m", "OK", "1333320", "1185180", "148140"]


def test_commits_by_others_are_named_with_the_command_that_shows_what_they_skip() -> None:
    """One line for each lane, all its partitions in one command; the verdict is not OK."""
    skipped = [replace(lag(REQUESTED, shard, due=7), foreign=4_000_005) for shard in (0, 2)]
    shown = view([*skipped, lag(REQUESTED, 1)])
    lines = printed(shown, width=400)

    assert "STALLED" in lines[0]
    assert "partitions 0 (at 4000005), 2 (at 4000005)" in lines[-1]
    assert lines[-1].endswith(
        "leadart replay --lane staging-article-image-requested --from 0:4000000,2:4000000 --to 0:4000005,2:4000005"
    )
    assert [row["foreign"] for row in shown.as_json(SETTINGS, None)["partitions"]] == [4_000_005, 4_000_005, None]
