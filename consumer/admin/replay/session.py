"""A replay session: the connections of a replay, and the steps that use them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import BaseModel, ValidationError

from consumer import failpoints
from consumer.admin.replay.publish import BackfillLane, ReplayPublisher, ReplayReport
from consumer.admin.replay.selection import ReplaySpec
from consumer.admin.replay.source import RangeSurvey, SourceLane
from consumer.admin.replay.throttle import Throttle
from consumer.delivery.heads import Slot
from consumer.delivery.ports import MAX_RECORD_BYTES, BusError, Partition
from consumer.jobs import Record
from consumer.kafka.admin_client import open_admin
from consumer.kafka.partition_reader import PartitionReader, open_partition_reader
from consumer.kafka.topics import one_partition_count
from consumer.lag.reader import LagReader, known_sum, open_lag_reader
from consumer.lag.throughput import Throughput, read_throughput
from consumer.settings import Settings
from schemas import names
from schemas.names import BACKFILL, OUTCOME


class ReplaySession:
    """One replay. `source` is the lane that it reads; every await is bounded in time."""

    def __init__(
        self, settings: Settings, lane: BackfillLane, source: SourceLane, lags: LagReader, partitions: int
    ) -> None:
        self.source = source
        self.lags = lags
        self._settings = settings
        self._lane = lane
        self._partitions = partitions

    async def survey(self, spec: ReplaySpec, watch: Callable[[float], None]) -> RangeSurvey:
        """Read the range, and before it the outcomes if only failed requests are wanted."""
        failed = None
        if spec.filters.failed:
            outcomes = self._settings.topics.named(OUTCOME)
            failed = await failed_slots(self._lane.committed, outcomes, self._partitions, watch)
        return await self.source.survey(spec.range, spec.filters, failed, watch)

    async def throughput(self) -> Throughput:
        """Return how long the pictures of the latest outcomes took to paint."""
        return await read_throughput(self._settings, self._lane.committed, self._partitions)

    async def waiting(self) -> int | None:
        """Return how many records of the lane the group has not finished; None if that is unknown."""
        lane = self._settings.topics.named(BACKFILL)
        try:
            lags = [lag for lag in (await self.lags.read(outcomes=False)).partitions if lag.topic == lane]
        except BusError:  # the group has no coordinator yet
            return None
        return known_sum(count for lag in lags for count in (lag.incomplete, lag.paused))

    async def publish(
        self, spec: ReplaySpec, survey: RangeSurvey, throttle: Throttle, watch: Callable[[int], None]
    ) -> ReplayReport:
        """Publish the chosen requests, each once. See `ReplayPublisher.run`."""
        report = ReplayReport(decisions=survey.decisions)
        publisher = ReplayPublisher(self._settings, spec, self.source, self._lane, throttle, watch, report)
        return await publisher.run(survey.offsets)


@asynccontextmanager
async def open_replay_session(settings: Settings, topic: str) -> AsyncIterator[ReplaySession]:
    """Open the connections for a replay of the lane with the full name `topic`.

    Raises `BusError` when no broker answers, `Fatal` when topics are missing or their partition counts differ.
    """
    failpoints.use(settings.worker.failpoints)
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(open_admin(settings.kafka))
        partitions = await one_partition_count(admin, settings)
        lane = settings.topics.named(BACKFILL)
        config = (await admin.topic_configs([lane]))[lane]
        max_bytes = min(int(config.get("max.message.bytes") or MAX_RECORD_BYTES), MAX_RECORD_BYTES)
        source, committed, everything = [
            await stack.enter_async_context(open_partition_reader(settings.kafka, committed=only_committed))
            for only_committed in (True, True, False)
        ]
        lags = await stack.enter_async_context(open_lag_reader(settings))
        backfill = BackfillLane(committed, everything, max_bytes)
        yield ReplaySession(settings, backfill, SourceLane(settings, source, topic, partitions), lags, partitions)


class _OutcomeArticle(BaseModel, strict=True):
    id: str
    revision: int


class _SlotOutcome(BaseModel, strict=True):
    """What is read of an outcome; others may have written anything."""

    article: _OutcomeArticle
    slot: str


class SlotOutcomes:
    """The outcome that counts for each slot: the one with the highest revision, of equal ones the last. Pure."""

    def __init__(self) -> None:
        self._outcomes: dict[Slot, tuple[int, bool]] = {}

    def add(self, record: Record) -> None:
        """Add an outcome. One without a revision or slot concerns no valid request and is ignored."""
        kind = dict(record.headers).get("ce_type")
        try:
            outcome = _SlotOutcome.model_validate_json(record.value or b"")
        except ValidationError:
            return
        slot, revision = Slot(outcome.article.id, outcome.slot), outcome.article.revision
        if self._outcomes.get(slot, (-1, False))[0] <= revision:
            self._outcomes[slot] = (revision, kind == names.IMAGE_FAILED.encode())

    @property
    def failed(self) -> Mapping[Slot, int]:
        """The revision of each slot whose outcome is a failure."""
        return {slot: revision for slot, (revision, failed) in self._outcomes.items() if failed}


async def failed_slots(
    reader: PartitionReader, topic: str, partitions: int, watch: Callable[[float], None]
) -> Mapping[Slot, int]:
    """Read all `partitions` of the outcome topic to their ends. Raises `BusError` and `Fatal`."""
    outcomes = SlotOutcomes()
    for number in range(partitions):
        partition = Partition(topic, number)
        span = await reader.span(partition)
        async for record in reader.records(partition, span):
            watch((number + (record.offset - span.start) / len(span)) / partitions)
            outcomes.add(record)
    return outcomes.failed
