"""Pause, resume and call off: write the controls of every shard, and show which shard has which.

Each shard's record is written by the shard's own transactional producer, as `leadart heads reset` does. That fences the
worker that owns the shard, which opens it again and reads the record with everything else its epoch rests on.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from consumer import failpoints
from consumer.admin.state_table import change_value
from consumer.delivery.controls import Cancel, Controls, Pause, Selector, controls_key, group_of, read_controls
from consumer.delivery.ports import BusError, OutgoingRecord, Partition
from consumer.errors import Fatal
from consumer.kafka.admin_client import open_admin, require_topics
from consumer.kafka.partition_reader import read_spans, read_table
from consumer.kafka.producer import open_epoch
from consumer.kafka.topics import lane_topics, one_partition_count
from consumer.settings import Settings
from schemas import Reason, names

ControlsChange = Callable[[int, Controls], Controls]
"""Returns what a shard's controls become."""


@dataclass(frozen=True, slots=True)
class SpreadControl:
    """One control, and the shards that have it: all of them, unless a command was cut off.

    `history`: a cancel that is for no request any more, because all are finished that were in the lanes then.
    """

    control: Pause | Cancel
    shards: tuple[int, ...]
    history: bool = False


async def shard_controls(settings: Settings) -> list[Controls]:
    """Return this group's controls, by shard. Raises `BusError`."""
    return await asyncio.gather(*[_read(settings, shard) for shard in range(await _shards(settings))])


def spread(controls: Sequence[Controls], finished: Sequence[Mapping[str, int]]) -> list[SpreadControl]:
    """Return every control there is, pauses first, with the shards that have it.

    `finished`: for each shard the offset below which everything is, by topic.
    """
    found: defaultdict[tuple[type[Pause | Cancel], Selector], dict[int, Pause | Cancel]] = defaultdict(dict)
    for shard, each in enumerate(controls):
        own: tuple[Pause | Cancel, ...] = (*each.pauses, *each.cancels)
        for control in own:
            found[type(control), control.match][shard] = control
    every = [
        SpreadControl(
            next(iter(of.values())), tuple(of), not any(_may_hold(one, finished[at]) for at, one in of.items())
        )
        for of in found.values()
    ]
    return sorted(every, key=lambda each: isinstance(each.control, Cancel))


def _may_hold(control: Pause | Cancel, finished: Mapping[str, int]) -> bool:
    return isinstance(control, Pause) or control.may_hold(finished)


async def finished_below(settings: Settings) -> list[dict[str, int]]:
    """Return below which offset the group has finished everything: for each shard, by topic. Raises `BusError`."""
    async with open_admin(settings.kafka) as admin:
        shards = range(await one_partition_count(admin, settings))
        lanes = lane_topics(settings)
        committed = await admin.all_committed_offsets([Partition(lane, shard) for lane in lanes for shard in shards])
    return [{lane: committed[Partition(lane, shard)].offset for lane in lanes} for shard in shards]


async def lane_ends(settings: Settings) -> list[dict[str, int]]:
    """Return where the lanes end now, open transactions included: for each shard, by topic. Raises `BusError`."""
    shards = range(await _shards(settings))
    spans = await read_spans(
        settings.kafka, [Partition(lane, each) for lane in lane_topics(settings) for each in shards]
    )
    return [{lane: spans[Partition(lane, shard)].stop for lane in lane_topics(settings)} for shard in shards]


async def end_replay(settings: Settings, replay: str) -> None:
    """End a run of the replay that is still publishing: what it would publish yet could not be called off."""
    async with open_epoch(settings.kafka, f"replay.{replay}", 0):
        pass


async def change_controls(settings: Settings, change: ControlsChange) -> int:
    """Change the controls of every shard, one after the other; return how many were written.

    Shards whose controls the change leaves as they are are not touched, so the same command completes one that was cut
    off. Raises `Fatal` that says which shards have it, if it fails midway; `BusError` if none has.
    """
    failpoints.use(settings.worker.failpoints)
    written: list[int] = []
    shards = await _shards(settings)
    for shard in range(shards):
        try:
            if await _change_shard(settings, shard, change):
                written.append(shard)
        except BusError as error:
            if not written:
                raise
            raise Fatal(
                Reason.BUS_UNAVAILABLE,
                f"Written for shards {written} of 0 to {shards - 1}, then Kafka did not answer ({error}). Run the same "
                "command again: it completes the others.",
            ) from error
    return len(written)


async def _change_shard(settings: Settings, shard: int, change: ControlsChange) -> bool:
    def changed(value: bytes | None) -> bytes | None:
        known = _readable(shard, value)
        controls = change(shard, known)
        return None if controls == known else controls.encode()

    return await change_value(settings, shard, controls_key(settings.kafka.group_id), changed)


async def copy_pauses(settings: Settings) -> None:
    """Copy every group's pauses to partitions that have no controls yet, after topics have grown. Raises `BusError`.

    Cancels stay behind: they are for requests below an offset, and new partitions have none.
    """
    shards = await _shards(settings)
    tables = [dict((await read_table(settings.kafka, Partition(_table(settings), at), 0))[0]) for at in range(shards)]
    keys = {key for table in tables for key in table if group_of(key) is not None}
    records = []
    for key in sorted(keys):
        known = next(read_controls(table[key]) for table in tables if key in table)
        value = Controls(known.pauses).encode()
        records += [
            OutgoingRecord(_table(settings), at, key, value, ()) for at in range(shards) if key not in tables[at]
        ]
    if records:
        async with open_epoch(settings.kafka, "heads", 0) as epoch:
            await epoch.write_transaction(records)


async def _read(settings: Settings, shard: int) -> Controls:
    """Return a shard's controls. Raises `Fatal` for those of a newer version."""
    pairs, _ = await read_table(settings.kafka, Partition(_table(settings), shard), 0)
    return _readable(shard, dict(pairs).get(controls_key(settings.kafka.group_id)))


def _readable(shard: int, value: bytes | None) -> Controls:
    controls = read_controls(value)
    if controls.unread:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"Shard {shard} has pauses or cancels that this version cannot read: use the version that wrote them.",
        )
    return controls


async def _shards(settings: Settings) -> int:
    return (await require_topics(settings.kafka, [_table(settings)]))[_table(settings)]


def _table(settings: Settings) -> str:
    return settings.topics.named(names.HEADS)
