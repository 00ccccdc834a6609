from __future__ import annotations

import json
from pathlib import Path

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.watch import EventJournal
from consumer.jobs import Record
from consumer.processing.styles import Styles
from schemas import names
from tests.unit.dev.demo.conftest import answers_to


def test_each_record_is_a_line(tmp_path: Path, styles: Styles) -> None:
    """Topic, place, key, headers and data stand in one JSON object, in the order of arrival."""
    journal = EventJournal(tmp_path / "events.jsonl")
    records = [record for save in load_edition() for record in answers_to(save, styles)]
    for record in records:
        journal.enter(record)
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()]

    assert [line["topic"] for line in lines] == [record.topic for record in records]
    assert lines[0]["headers"]["ce_type"] == names.IMAGE_READY
    assert lines[0]["data"] == json.loads(records[0].value or b"")
    assert lines[0]["key"] == "a-1042"
    assert {line["timestamp"][-6:] for line in lines} == {"+00:00"}


def test_a_record_of_anything_is_a_line(tmp_path: Path) -> None:
    """Dead letters may hold what is neither JSON nor text, and no key and value at all."""
    journal = EventJournal(tmp_path / "events.jsonl")
    journal.enter(Record(names.DEAD_LETTER, 0, 0, None, b"\xff\n\xfe", (("x", None), ("y", b"\xff")), 0))
    journal.enter(Record(names.DEAD_LETTER, 0, 1, b"k", None, (), 0))
    first, second = (json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines())

    assert (first["key"], first["headers"]) == (None, {"x": None, "y": "\ufffd"})
    assert first["data"] == "\ufffd\n\ufffd"
    assert second["data"] is None
