"""`consumer.gateway.preferences`: what editors took last, as the topic tells it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.gateway import preferences as module
from consumer.gateway.access.principal import Principal, Scope
from consumer.gateway.bus_publisher import LinkedPublisher
from consumer.gateway.preferences import MOST_BYTES, Preferences
from consumer.gateway.problems import Problem
from consumer.jobs import Record
from schemas import names
from tests.support.gateway import MemoryPublisher, caught_up_link

KIM = Principal("kim", "/cms/times", frozenset({Scope.READ}))
ALEX = replace(KIM, name="alex")
POST = replace(KIM, source="/cms/post")


def opened() -> tuple[Preferences, MemoryPublisher]:
    publisher = MemoryPublisher("requests")
    return Preferences(LinkedPublisher(publisher, caught_up_link())), publisher


def written(values: Any, offset: int, section: str = "News", partition: int = 0) -> Record:
    key = json.dumps([KIM.source, KIM.name, section]).encode()
    return Record(names.PREFERENCES, partition, offset, key, json.dumps(values).encode(), (), 1_000 + offset)


async def test_they_are_the_editors_own_by_section() -> None:
    """Another editor, and one of that name at another source, has none of them; `last` is for a new section."""
    kept, _ = opened()
    await kept.put(KIM, "News", {"style": "ink"})
    await kept.put(KIM, "Sport", {"style": "photo", "count": 4})
    await kept.put(ALEX, "News", {"style": "oil"})
    assert kept.of(KIM) == {
        "sections": {"News": {"style": "ink"}, "Sport": {"style": "photo", "count": 4}},
        "last": {"style": "photo", "count": 4},
    }
    assert kept.of(ALEX)["last"] == {"style": "oil"}
    assert kept.of(POST) == {"sections": {}, "last": {}}


async def test_another_gateway_reads_the_same_from_the_topic() -> None:
    """All of it comes from the topic, also what was forgotten, in whatever order partitions are read."""
    kept, publisher = opened()
    await kept.put(KIM, "News", {"style": "ink"})
    await kept.put(KIM, "艺术", {"style": "油画"})
    await kept.put(KIM, "News", {})
    for records in (publisher.kept, publisher.kept[::-1], publisher.kept * 2):
        other, _ = opened()
        for record in records:
            other.take(record)
        assert other.of(KIM)["sections"] == kept.of(KIM)["sections"] == {"艺术": {"style": "油画"}}


@given(st.permutations([written({"n": number}, number) for number in range(5)]))
def test_the_last_writer_wins_whatever_is_read_again(records: list[Record]) -> None:
    """The value with the highest offset counts."""
    kept, _ = opened()
    for record in records:
        kept.take(record)
    assert kept.of(KIM) == {"sections": {"News": {"n": 4}}, "last": {"n": 4}}


async def test_what_is_too_large_or_no_json_is_refused_by_its_field() -> None:
    """Nothing is written then."""
    kept, publisher = opened()
    for values in ({"prompt": "x" * MOST_BYTES}, {"number": float("nan")}):
        with pytest.raises(Problem) as caught:
            await kept.put(KIM, "News", values)
        assert (caught.value.status, caught.value.field) == (422, "values")
    assert publisher.kept == []


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"[]", b'["a", "b"]', b'["a", "b", 3]', b'"a"'])
def test_rubbish_on_the_topic_is_passed_by(key: bytes | None) -> None:
    """Neither a strange key nor a strange value changes anything."""
    kept, _ = opened()
    kept.take(written({"style": "ink"}, 0))
    kept.take(replace(written({}, 1), key=key))
    for value in (b"3", b"[]", b"{", b"\xff"):
        kept.take(replace(written({}, 2), value=value))
    assert kept.of(KIM)["last"] == {"style": "ink"}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many sections the oldest is let go, and of too many editors the one that wrote nothing for longest."""
    monkeypatch.setattr(module, "MOST_SECTIONS", 3)
    monkeypatch.setattr(module, "MOST_EDITORS", 2)
    kept, _ = opened()
    for number in range(5):
        kept.take(written({"n": number}, number, f"section-{number}"))
    assert sorted(kept.of(KIM)["sections"]) == ["section-2", "section-3", "section-4"]
    for name in ("alex", "robin"):
        key = json.dumps([KIM.source, name, ""]).encode()
        kept.take(Record(names.PREFERENCES, 0, 9, key, b'{"a": 1}', (), 9_000))
    assert kept.of(KIM)["sections"] == {}
    assert kept.of(ALEX)["last"] == {"a": 1}
