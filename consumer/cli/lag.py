"""`leadart lag`."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live

from consumer.cli.shared import AsJson, EnvFile, console, lay_out, settings_from
from consumer.delivery.ports import BusError

if TYPE_CHECKING:
    from consumer.cli.lag_view import LagView
    from consumer.lag.history import LagHistory
    from consumer.lag.reader import LagReader
    from consumer.settings import Settings


def lag(
    env_file: EnvFile = None,
    partitions: Annotated[
        bool, typer.Option("--partitions", help="List every partition, not only those that are not OK.")
    ] = False,
    devices: Annotated[
        int | None, typer.Option(min=1, help="Devices of all workers together: adds the time to drain.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds between two refreshes of --watch.")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Show consumer lag and health; works with all workers down."""
    settings = settings_from(env_file)
    output = _Json(settings, devices) if as_json else _Tables(settings, devices, whole=partitions)
    try:
        asyncio.run(_show(settings, output, every if watch else None))
    except KeyboardInterrupt:
        if not watch:
            raise


async def _show(settings: Settings, output: _Json | _Tables, every: float | None) -> None:
    from consumer.lag.history import LagHistory
    from consumer.lag.reader import open_lag_reader

    async with open_lag_reader(settings) as reader:
        history = LagHistory(settings)
        if every is None:
            output.show(await _read(reader, history))
            return
        with output.live:
            while True:
                try:
                    output.show(await _read(reader, history))
                except BusError as error:
                    output.show_error(f"Kafka does not answer: {error}")
                await asyncio.sleep(every)


async def _read(reader: LagReader, history: LagHistory) -> LagView:
    from consumer.cli.lag_view import LagView

    snapshot = await reader.read()
    return LagView(snapshot, history.assess(snapshot))


class _Json:
    """One line of JSON for each snapshot."""

    def __init__(self, settings: Settings, devices: int | None) -> None:
        self._settings = settings
        self._devices = devices
        self.live = nullcontext()

    def show(self, view: LagView) -> None:
        print(json.dumps(view.as_json(self._settings, self._devices)), flush=True)

    def show_error(self, why: str) -> None:
        print(json.dumps({"group": self._settings.kafka.group_id, "error": why}), flush=True)


class _Tables:
    """Tables: one after the other, or on a terminal in place of each other."""

    def __init__(self, settings: Settings, devices: int | None, *, whole: bool) -> None:
        self._settings = settings
        self._devices = devices
        self._whole = whole
        self._screen = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._last: LagView | None = None

    @property
    def live(self) -> Live | nullcontext[None]:
        return self._screen or nullcontext()

    def show(self, view: LagView, why: str = "") -> None:
        self._last = view
        shown = view.as_tables(self._settings, self._devices, whole=self._whole, why=why)
        if self._screen is not None and self._screen.is_started:
            self._screen.update(shown, refresh=True)
        else:
            lay_out(shown)

    def show_error(self, why: str) -> None:
        if self._last is not None:
            self.show(self._last, why)
        else:
            console.print(why, style="red", markup=False)
