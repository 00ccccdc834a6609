"""Where a replay is planned and carried out: the connections it needs, and what is done over them."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from consumer import failpoints
from consumer.admin.replay.outcomes import failed_slots
from consumer.admin.replay.publish import BackfillLane, ReplayPublisher
from consumer.admin.replay.replayed_record import new_variation
from consumer.admin.replay.reuse import ReuseLookup
from consumer.admin.replay.source import SourceLane
from consumer.delivery.ports import MAX_RECORD_BYTES, BusError
from consumer.kafka.admin_client import open_admin
from consumer.kafka.partition_reader import open_partition_reader
from consumer.kafka.topics import one_partition_count
from consumer.lag.reader import open_lag_reader
from consumer.lag.throughput import read_throughput
from schemas.names import BACKFILL, OUTCOME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from consumer.admin.replay.publish import ReplayReport
    from consumer.admin.replay.reuse import ReuseEstimate
    from consumer.admin.replay.selection import ReplaySpec
    from consumer.admin.replay.source import Survey
    from consumer.admin.replay.throttle import Throttle
    from consumer.jobs import Paintable
    from consumer.kafka.partition_reader import PartitionReader
    from consumer.lag.reader import LagReader
    from consumer.lag.throughput import Throughput
    from consumer.ports import Store
    from consumer.processing.styles import Styles
    from consumer.settings import Settings
    from schemas import ImageRequested

    Watch = Callable[[float], None]


class ReplaySession:
    """One replay's work place. `source` is the lane that it reads; every await is bounded in time."""

    def __init__(
        self, settings: Settings, lane: BackfillLane, source: SourceLane, lags: LagReader, partitions: int
    ) -> None:
        self.source = source
        self.lags = lags
        self._settings = settings
        self._lane = lane
        self._partitions = partitions

    async def survey(self, order: ReplaySpec, watch: Watch) -> Survey:
        """Read the order's range, and the outcomes before that if it asks for what failed."""
        failed = None
        if order.filters.failed:
            failed = await failed_slots(
                self._lane.committed, self._settings.topics.named(OUTCOME), self._partitions, watch
            )
        return await self.source.survey(order.extent, order.filters, failed, watch)

    async def throughput(self) -> Throughput:
        """Tell how long the outcomes announced last took to paint."""
        return await read_throughput(self._settings, self._lane.committed, self._partitions)

    async def waiting(self) -> int | None:
        """Tell how many records of the lane the group has not finished; None if that is unknown."""
        lane = self._settings.topics.named(BACKFILL)
        try:
            counts = [lag.incomplete for lag in (await self.lags.read(outcomes=False)).partitions if lag.topic == lane]
        except BusError:  # nobody coordinates the group yet
            return None
        return None if None in counts else sum(count for count in counts if count is not None)

    async def look(  # noqa: PLR0913, PLR0917 - what a recipe is made of
        self,
        order: ReplaySpec,
        survey: Survey,
        store: Store,
        styles: Styles,
        paintable: Paintable,
        watch: Watch,
    ) -> ReuseEstimate:
        """Tell which of the chosen requests are made already, as they would be published."""

        def vary(request: ImageRequested) -> ImageRequested:
            if not order.force:
                return request
            variation = new_variation(order.id, request.generation.variation)
            return request.model_copy(
                update={"generation": request.generation.model_copy(update={"variation": variation})}
            )

        return await ReuseLookup(self.source, store, styles, paintable, vary).run(survey.offsets, watch)

    async def publish(
        self, order: ReplaySpec, survey: Survey, pace: Throttle, watch: Callable[[int], None]
    ) -> ReplayReport:
        """Publish the chosen requests, each once. See `ReplayPublisher.run`."""
        return await ReplayPublisher(self._settings, order, self.source, self._lane, pace, watch).run(survey.offsets)


@asynccontextmanager
async def open_replay_session(settings: Settings, topic: str) -> AsyncIterator[ReplaySession]:
    """Open the connections for a replay of the lane of that full name.

    Raises `BusError` when no broker answers, `Fatal` when topics are missing or their partition counts differ.
    """
    failpoints.use(settings.worker.failpoints)
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(open_admin(settings.kafka))
        partitions = await one_partition_count(admin, settings)
        lane = settings.topics.named(BACKFILL)
        config = (await admin.topic_configs([lane]))[lane]
        reading: list[PartitionReader] = [
            await stack.enter_async_context(open_partition_reader(settings.kafka, committed=committed))
            for committed in (True, True, False)
        ]
        lags = await stack.enter_async_context(open_lag_reader(settings))
        max_bytes = min(int(config.get("max.message.bytes") or MAX_RECORD_BYTES), MAX_RECORD_BYTES)
        source = SourceLane(settings, reading[0], topic, partitions)
        yield ReplaySession(settings, BackfillLane(reading[1], reading[2], max_bytes), source, lags, partitions)
