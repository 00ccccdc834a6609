from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.ports import Partition
from consumer.kafka.partition_reader import PartitionReader
from consumer.kafka.topics import retry_policy
from consumer.lag.backlog import PEEK, Backlog, GroupPosition, read_backlogs
from consumer.settings import Settings
from schemas.names import REQUESTED, RETRY_1M

NOW = 1_800_000_000_000
LANE, RETRY = Partition(REQUESTED, 0), Partition(RETRY_1M, 0)


class Found(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...]
    key: bytes = b"a-1"
    value: bytes = b"{}"


class At(NamedTuple):
    offset: int


class Log:
    """One partition as aiokafka's consumer reads it; offsets without a record are markers."""

    def __init__(self, tp: Partition, end: int, records: Mapping[int, tuple[int, int | None]]) -> None:
        self._tp = tp
        self._end = end
        self._records = records
        self._position = 0
        self._client = self

    def assign(self, tps: Collection[Partition]) -> None:
        assert list(tps) == [self._tp]

    def seek(self, _tp: Partition, offset: int) -> None:
        self._position = offset

    def pause(self, *_tps: Partition) -> None:
        pass

    async def position(self, _tp: Partition) -> int:
        return self._position

    async def getmany(self, *_tps: Partition, timeout_ms: int, max_records: int | None) -> dict[Partition, list[Found]]:
        assert timeout_ms
        del max_records
        start, self._position = self._position, min(self._end, self._position + 20)
        return {self._tp: [self._found(at) for at in range(start, self._position) if at in self._records]}

    async def offsets_for_times(self, times: Mapping[Partition, int]) -> dict[Partition, At | None]:
        late = [at for at, (written, _) in self._records.items() if written >= times[self._tp]]
        return {self._tp: At(min(late)) if late else None}

    def _found(self, offset: int) -> Found:
        written, due = self._records[offset]
        return Found(self._tp.topic, self._tp.number, offset, written, () if due is None else retried(due))


def retried(due_ms: int) -> tuple[tuple[str, bytes], ...]:
    headers = {"topic": REQUESTED, "partition": 0, "offset": 1, "timestamp": 1, "attempts": 1, "first-seen": 1}
    return tuple((f"leadart-{name}", str(value).encode()) for name, value in {**headers, "due": due_ms}.items())


async def backlog(
    tp: Partition, records: Mapping[int, tuple[int, int | None]], end: int, finished: Collection[int] = ()
) -> Backlog:
    mark = GroupPosition(0, set(finished), end)
    settings = Settings()
    reader = PartitionReader(settings.kafka, Log(tp, end, records))
    return (await read_backlogs(reader, {tp: mark}, retry_policy(settings), NOW))[tp]


async def test_the_oldest_is_the_first_record_not_finished() -> None:
    """Markers and gaps at the committed offset are skipped, and so is what the metadata says is finished."""
    records = {3: (NOW - 9000, None), 5: (NOW - 7000, None), 6: (NOW - 5000, None)}

    assert await backlog(LANE, records, 9) == Backlog(3, 0, NOW - 9000, exact=True)
    assert await backlog(LANE, records, 9, {3}) == Backlog(2, 0, NOW - 7000, exact=True)
    assert await backlog(LANE, records, 9, {3, 6}) == Backlog(1, 0, NOW - 7000, exact=True)
    assert await backlog(LANE, {}, 9) == Backlog(0, 0, None, exact=True)


async def test_a_long_run_of_markers_is_skipped() -> None:
    """The aborted copies of a long outage are not backlog, however many they are."""
    assert await backlog(LANE, {5000: (NOW - 1000, None)}, 5002) == Backlog(1, 0, NOW - 1000, exact=True)


async def test_a_long_backlog_is_counted_in_offsets() -> None:
    """Beyond the first records none are fetched: offsets are counted, less those finished."""
    records = dict.fromkeys(range(1000), (NOW - 1000, None))

    assert await backlog(LANE, records, 1000, {500, 501}) == Backlog(998, 0, NOW - 1000, exact=False)


async def test_what_is_not_due_is_a_figure_of_its_own() -> None:
    """Retries that wait for their time are not incomplete; the age of a due one counts from when it was due."""
    records = {
        0: (NOW - 65_000, NOW - 5000),
        2: (NOW - 61_000, NOW - 1000),
        4: (NOW - 30_000, NOW + 30_000),
        6: (NOW - 20_000, NOW + 40_000),
    }

    assert await backlog(RETRY, records, 8) == Backlog(2, 2, NOW - 5000, exact=True)
    assert await backlog(RETRY, records, 8, {0, 2}) == Backlog(0, 2, None, exact=True)


async def test_everything_behind_a_record_that_is_not_due_waits() -> None:
    """A lane stands still until its first record is due, whatever another worker's clock wrote behind it."""
    records = {0: (NOW - 30_000, NOW + 30_000), 1: (NOW - 61_000, NOW - 1000)}

    assert await backlog(RETRY, records, 2) == Backlog(0, 2, None, exact=True)


async def test_of_many_retries_those_written_late_are_not_due() -> None:
    """In a long retry lane the border between due and not due is found by record timestamps."""
    records = {at: (NOW - 100_000 + 1000 * at, NOW - 40_000 + 1000 * at) for at in range(90)}

    assert await backlog(RETRY, records, 90) == Backlog(40, 50, NOW - 40_000, exact=False)


@given(
    st.dictionaries(st.integers(0, 120), st.just((NOW - 1000, None)), max_size=100),
    st.sets(st.integers(0, 130)),
)
async def test_it_never_counts_too_few(records: dict[int, tuple[int, int | None]], finished: set[int]) -> None:
    """Whatever gaps and bits there are, no unfinished record is left out; and exact figures are exact."""
    done = {at for at in finished if at in records}
    open_ones = set(records) - done
    found = await backlog(LANE, records, 121, done)

    assert found.due >= len(open_ones)
    assert not found.exact or found.due == len(open_ones)
    assert (found.since_ms is None) == (not open_ones)
    assert found.exact or found.due + len(done) > PEEK / 2
