from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from consumer.delivery.ports import BusError
from consumer.gateway.access.principal import CallerLimits, Principal
from consumer.gateway.access.quota import DailyQuota
from consumer.gateway.board.board import Board
from consumer.gateway.problems import Problem
from consumer.jobs import Record
from schemas import names
from schemas.cloudevents import Event, write
from tests.support.gateway_server import request_data, serve_gateway

NOON = datetime(2031, 5, 17, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def board_with(*asked: tuple[str, datetime, int], event_type: str = names.IMAGE_REQUESTED) -> Board:
    """Return a board with a request of each source, at that time, for so many pictures."""
    board = Board(2**20, {names.REQUESTED: names.REQUESTED})
    for number, (source, at, variants) in enumerate(asked):
        data = request_data(f"a-{number}", variants)
        event = Event(id=f"e-{number}", source=source, type=event_type, subject=f"a-{number}", data=data)
        headers, value = write(event)
        at_ms = int(at.timestamp() * 1000)
        board.take(Record(names.REQUESTED, 0, number, f"a-{number}".encode(), value, tuple(headers), at_ms))
    return board


def caller(source: str = "/cms/a", most: int | None = None) -> Principal:
    return Principal("Ada", source, frozenset(), limits=CallerLimits(None, most))


def reserve(quota: DailyQuota, pictures: int = 1, principal: Principal | None = None) -> None:
    with quota.reserved(principal or caller(), pictures):
        pass


def test_what_is_on_the_bus_counts() -> None:
    """Today's pictures of the source count, by their variants; yesterday's and others' do not."""
    board = board_with(
        ("/cms/a", NOON.replace(hour=0), 4), ("/cms/a", NOON - timedelta(hours=13), 4), ("/cms/b", NOON, 4)
    )
    quota = DailyQuota(board, 6, Clock())
    with pytest.raises(Problem):
        reserve(quota, 3)
    reserve(quota, 2)
    with pytest.raises(Problem):
        reserve(quota)
    reserve(quota, 2, caller("/cms/b"))


def test_decisions_do_not_count() -> None:
    """What an editor decides paints nothing new."""
    quota = DailyQuota(board_with(("/cms/a", NOON, 1), event_type=names.IMAGE_CHOSEN), 1, Clock())
    reserve(quota)


def test_the_next_day_begins_anew() -> None:
    """Retry-After leads to midnight UTC, and then there is room again."""
    clock = Clock()
    quota = DailyQuota(board_with(("/cms/a", NOON, 1)), 1, clock)
    with pytest.raises(Problem) as refused:
        reserve(quota)
    assert (refused.value.status, refused.value.retry_after) == (429, 12 * 3600)
    clock.now += timedelta(seconds=12 * 3600)
    reserve(quota)


def test_pictures_under_way_count_once() -> None:
    """Requests at the same time cannot all take the last one; what fails gives it back."""
    quota = DailyQuota(board_with(), 1, Clock())
    with quota.reserved(caller(), 1), pytest.raises(Problem):
        reserve(quota)
    quota = DailyQuota(board_with(), 1, Clock())
    with pytest.raises(BusError), quota.reserved(caller(), 1):
        raise BusError("down")
    reserve(quota)


def test_a_key_may_have_a_number_of_its_own() -> None:
    """It holds instead of the site's, which may be none."""
    quota = DailyQuota(board_with(("/cms/a", NOON, 3)), None, Clock())
    reserve(quota, 100)
    with pytest.raises(Problem):
        reserve(quota, 1, caller(most=3))


async def test_a_spent_quota_is_a_problem_and_outlives_a_restart() -> None:
    """Nothing is published, a repeat of what was is answered, and another gateway that read the bus counts the same."""
    async with serve_gateway(pictures_per_day=2) as served:
        client = served.client(served.key())
        first = {"json": request_data(variants=2), "headers": {"idempotency-key": "one"}}
        async with client.post("/v1/images", **first) as accepted:  # type: ignore[arg-type]
            assert accepted.status == 202
        async with client.post("/v1/images", json=request_data()) as refused:
            assert (refused.status, (await refused.json())["reason"]) == (429, "quota_exceeded")
            assert 0 < int(refused.headers["retry-after"]) <= 24 * 3600
        async with client.post("/v1/images", **first) as again:  # type: ignore[arg-type]
            assert again.status == 202
        assert len(served.published) == 1
        now = datetime.now(UTC)
        (record,) = served.published
    board = Board(2**20, {record.topic: names.REQUESTED})
    board.take(Record(record.topic, 0, 0, record.key, record.value, record.headers, int(now.timestamp() * 1000)))
    with pytest.raises(Problem):
        reserve(DailyQuota(board, 2, lambda: now), 1, caller("/cms/test"))
