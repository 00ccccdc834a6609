"""`leadart lag`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Any

from rich.table import Table

from consumer.cli.shared import AsJson, EnvFile, console, settings_from
from schemas import Reason


def lag(env_file: EnvFile = None, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Show how far the group is behind, per partition; works with all workers down."""
    from consumer.kafka.lag import open_lag_reader, total  # noqa: PLC0415

    settings = settings_from(env_file)

    async def read() -> Any:
        async with open_lag_reader(settings) as reader:
            return await reader.read()

    lags = asyncio.run(read())
    if as_json:
        rows = [asdict(lag) | {"lag": lag.records, "incomplete": lag.incomplete} for lag in lags]
        print(json.dumps({"group": settings.kafka.group_id, "lag": total(lags), "partitions": rows}))  # noqa: T201 - for pipes
        return
    table = Table(
        "topic", "partition", "committed", "end", "lag", "not finished", title=f"group {settings.kafka.group_id}"
    )
    for row in lags:
        cells = (row.partition, row.committed, row.end, row.records, row.incomplete)
        table.add_row(row.topic, *("unknown" if cell is None else str(cell) for cell in cells))
    console.print(table)
    behind = total(lags)
    console.print(f"lag {'unknown' if behind is None else behind} over {len(lags)} partitions")
    for trouble in sorted({row.trouble for row in lags if row.trouble}):
        shards = sorted({row.partition for row in lags if row.trouble == trouble})
        console.print(f"shards {shards} wait, {trouble}: {_remedy(trouble)}", style="red", markup=False)


def _remedy(trouble: str) -> str:
    known = next((reason for reason in Reason if reason == trouble), None)
    return f"{known.meaning} {known.remedy}" if known else "a reason that a newer worker gave"
