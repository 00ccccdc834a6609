"""The matrix: what is hit, and when."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from consumer.failpoints import Failpoint
from tests.chaos import lanes, memory, servers, strikes
from tests.chaos.scene import Scene
from tests.chaos.servers import Servers

LEADART = (sys.executable, "-m", "consumer")

PIPED = ("bash", "-c", 'exec "$0" "$@" > >(exec cat)', *LEADART)
"""The worker's log goes through a pipe, to a child that copies it."""

FEW_FILES = ("bash", "-c", 'ulimit -n 1024; exec "$0" "$@"', *LEADART)
"""The usual limit on open files, and no right to raise it."""


class Column(StrEnum):
    """When the strike falls."""

    IDLE = "idle"
    TAKEN = Failpoint.TAKEN
    PAINTING = Failpoint.PAINTING
    UPLOADING = Failpoint.UPLOADING
    STORED = Failpoint.STORED
    RENDERING = Failpoint.RENDERING
    BEGUN = Failpoint.BEGUN
    COMMITTING = Failpoint.COMMITTING
    REBALANCING = Failpoint.REBALANCING

    @property
    def place(self) -> Failpoint | None:
        """Where a worker is caught for it; None: nowhere, nothing is in hand."""
        return None if self is Column.IDLE else Failpoint(self.value)


@dataclass(frozen=True, slots=True)
class Row:
    """What is hit.

    `steps` are those of each picture, so that the engine is still painting when it is struck. With `fresh` each cell
    has servers of its own. `command` starts its workers.
    """

    name: str
    strike: Callable[[Scene], Awaitable[None]]
    servers: Callable[[Path], AbstractAsyncContextManager[Servers]] = servers.ordinary
    workers: int = 2
    steps: int = 2
    fresh: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = LEADART

    @property
    def told(self) -> str:
        """What the row does, in a sentence."""
        return (self.strike.__doc__ or "").strip()


@asynccontextmanager
async def _with_memory_groups(folder: Path) -> AsyncIterator[Servers]:
    memory.check()
    async with servers.ordinary(folder) as ready:
        yield ready


ROWS: Final = (
    Row("worker_kill", strikes.kill_worker),
    Row("worker_kill_in_turn", strikes.kill_in_turn),
    Row("worker_freeze", strikes.freeze_worker),
    Row("worker_out_of_memory", strikes.starve_worker, _with_memory_groups),
    Row("worker_term", strikes.stop_worker),
    Row("engine_kill", strikes.kill_engine, servers.with_model, workers=1, steps=8),
    Row("engine_kill_every", strikes.kill_every_engine, servers.with_model, workers=1, steps=8),
    Row(
        "engine_hang",
        strikes.hang_engine,
        servers.with_model,
        workers=1,
        steps=8,
        settings={"ENGINE__STEP_TIMEOUT_SECONDS": "5"},
    ),
    Row("log_reader_gone", strikes.silence_log, command=PIPED),
    Row("port_crowded", strikes.crowd_port, command=FEW_FILES),
    Row("broker_kill", strikes.kill_broker),
    Row("broker_freeze", strikes.freeze_broker),
    Row("broker_one_of_three", strikes.lose_broker, servers.three_brokers),
    Row("store_kill", strikes.kill_store),
    Row("store_slow", strikes.slow_store, servers.gated_store),
    Row("store_errors", strikes.failing_store, servers.gated_store),
    # A small disk has room for the volumes of three buckets.
    Row("store_full", strikes.fill_store, servers.small_disk, fresh=True),
    Row("batch_bomb", lanes.bomb_lane),
    Row("records_deleted", lanes.delete_unread),
    Row("cut_broker", strikes.cut_broker, servers.cuttable_broker),
    Row("cut_store", strikes.cut_store, servers.cuttable_store),
    Row(
        "worker_without_store",
        strikes.lose_store,
        servers.cuttable_store,
        settings={"WORKER__LEAVE_SECONDS": "2"},
    ),
    Row("rolling_restart", strikes.restart_all),
    Row("scale_1_4_1", strikes.scale, workers=1),
)

IMPOSSIBLE: Final[Mapping[tuple[str, Column], str]] = {}
"""Cells that make no sense, with the reason."""


def rows(only: str | None = None) -> list[tuple[Row, list[Column]]]:
    """Return the cells to play, by row; `only` is ROW or ROW:COLUMN. Raises KeyError for names that are none."""
    name, _, column = (only or "").partition(":")
    chosen = [row for row in ROWS if row.name == (name or row.name)]
    columns = [Column(column)] if column else list(Column)
    if not chosen:
        raise KeyError(name)
    return [(row, [each for each in columns if (row.name, each) not in IMPOSSIBLE]) for row in chosen]
