"""`events.jsonl`: every record of the output topics as the subscriber saw it, one JSON object a line."""

import json
from datetime import UTC, datetime
from pathlib import Path

from consumer.jobs import Record


class EventJournal:
    """Appends records to a file as they arrive, so that an interrupted run leaves what it saw."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.write_text("", encoding="utf-8")

    def enter(self, record: Record) -> None:
        """Append one record."""
        with self._file.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(_line(record), ensure_ascii=False) + "\n")


def _line(record: Record) -> dict[str, object]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "key": _text(record.key),
        "headers": {name: _text(value) for name, value in record.headers},
        "data": _data(record.value),
    }


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="replace")


def _data(value: bytes | None) -> object:
    """Return the value as JSON if it is valid, else as text: a dead letter may hold anything."""
    try:
        return json.loads(value or b"")
    except ValueError:
        return _text(value)
