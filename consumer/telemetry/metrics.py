"""The worker's metrics, on a registry of their own so that two workers in one process stay apart."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from consumer import __version__
from consumer.jobs import Lane
from consumer.telemetry.names import MetricName
from schemas import OutcomeKind, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.jobs import ModelIdentity

_AGE = (1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 300, 900, 3600, 21_600, 86_400)
_STAGE = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 900)
_TRANSACTION = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Stage(StrEnum):
    """The stages a job's time is told by."""

    QUEUED = "queued"
    BRIEF = "brief"
    ENGINE = "engine"
    ENCODE = "encode"
    STORE = "store"
    ANNOUNCE = "announce"


class TransactionResult(StrEnum):
    """How a transaction ended; `failed` covers the ambiguous ones."""

    COMMITTED = "committed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Metrics:
    """Every metric as an object; `consumer.telemetry.names` says what each one means.

    Labels, in order: `events_consumed` (topic), `outcomes` (kind), `rejected`, `failures`, `retries`, `dead_letters`
    (reason), `event_age` (lane), `stage_duration` (stage), `pictures` (style, reused: "true" or "false"),
    `jobs_in_hand` (topic), `engine_device_ready` (device),
    `transactions` (result), and those of `by_partition` (topic, partition). The others have none.
    """

    registry: CollectorRegistry
    events_consumed: Counter
    outcomes: Counter
    rejected: Counter
    failures: Counter
    retries: Counter
    dead_letters: Counter
    event_age: Histogram
    last_success: Gauge
    stage_duration: Histogram
    pictures: Counter
    jobs_in_hand: Gauge
    pictures_unstored: Gauge
    progress_dropped: Counter
    engine_restarts: Counter
    breaker_open: Gauge
    engine_ready: Gauge
    engine_device_ready: Gauge
    transactions: Counter
    transaction_duration: Histogram
    shards_open: Gauge
    shard_reopens: Counter
    assigned_partitions: Gauge
    rebalances: Counter
    consumer_lag: Gauge
    committed_offset: Gauge
    incomplete: Gauge
    oldest_pending: Gauge
    not_due: Gauge
    hidden: Gauge
    backlog_engine: Gauge
    lag_verdict: Gauge
    build: Info
    model: Info

    @property
    def by_partition(self) -> tuple[Gauge, ...]:
        """The gauges that tell of one partition each."""
        lag = (self.consumer_lag, self.committed_offset, self.incomplete, self.oldest_pending)
        return (*lag, self.not_due, self.hidden, self.backlog_engine, self.lag_verdict)

    def tell_partition(self, topic: str, partition: int, figures: Mapping[Gauge, float | None]) -> None:
        """Show the figures of a partition; what is None is unknown and goes off the page, never to 0."""
        for gauge, figure in figures.items():
            if figure is None:
                gauge.remove(topic, partition)
            else:
                gauge.labels(topic, partition).set(figure)

    def forget_partition(self, topic: str, partition: int) -> None:
        """Take all figures of the partition off the page: it is not this worker's any more."""
        for gauge in self.by_partition:
            gauge.remove(topic, partition)

    def mean_seconds(self, stage: Stage) -> float | None:
        """Return what jobs spent in a stage on average since the worker started; None before the first."""
        of_stage = {
            sample.name: sample.value
            for family in self.stage_duration.collect()
            for sample in family.samples
            if sample.labels["stage"] == stage and not sample.name.endswith("_bucket")
        }
        name = MetricName.STAGE_DURATION
        count = of_stage[f"{name}_count"]
        return of_stage[f"{name}_sum"] / count if count else None

    def tell_model(self, model: ModelIdentity) -> None:
        """Say which weights are loaded."""
        self.model.info({"model": model.name, "sha256": model.sha256})


def make_metrics() -> Metrics:
    """Return fresh metrics, all at zero, with the figures of the process beside them (memory, open files, CPU)."""
    # The text format would show a stray gauge beside each counter.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = _built(_Page(registry))
    metrics.build.info({"version": __version__})
    metrics.last_success.set_to_current_time()
    _start_at_zero(metrics)
    return metrics


def _built(page: _Page) -> Metrics:
    return Metrics(
        registry=page.registry,
        events_consumed=page.counter(MetricName.EVENTS_CONSUMED, "topic"),
        outcomes=page.counter(MetricName.OUTCOMES, "kind"),
        rejected=page.counter(MetricName.REJECTED, "reason"),
        failures=page.counter(MetricName.FAILURES, "reason"),
        retries=page.counter(MetricName.RETRIES, "reason"),
        dead_letters=page.counter(MetricName.DEAD_LETTERS, "reason"),
        event_age=page.histogram(MetricName.EVENT_AGE, _AGE, "lane"),
        last_success=page.gauge(MetricName.LAST_SUCCESS),
        stage_duration=page.histogram(MetricName.STAGE_DURATION, _STAGE, "stage"),
        pictures=page.counter(MetricName.PICTURES, "style", "reused"),
        jobs_in_hand=page.gauge(MetricName.JOBS_IN_HAND, "topic"),
        pictures_unstored=page.gauge(MetricName.PICTURES_UNSTORED),
        progress_dropped=page.counter(MetricName.PROGRESS_DROPPED),
        engine_restarts=page.counter(MetricName.ENGINE_RESTARTS),
        breaker_open=page.gauge(MetricName.BREAKER_OPEN),
        engine_ready=page.gauge(MetricName.ENGINE_READY),
        engine_device_ready=page.gauge(MetricName.ENGINE_DEVICE_READY, "device"),
        transactions=page.counter(MetricName.TRANSACTIONS, "result"),
        transaction_duration=page.histogram(MetricName.TRANSACTION_DURATION, _TRANSACTION),
        shards_open=page.gauge(MetricName.SHARDS_OPEN),
        shard_reopens=page.counter(MetricName.SHARD_REOPENS),
        assigned_partitions=page.gauge(MetricName.ASSIGNED_PARTITIONS),
        rebalances=page.counter(MetricName.REBALANCES),
        consumer_lag=page.gauge(MetricName.CONSUMER_LAG, "topic", "partition"),
        committed_offset=page.gauge(MetricName.COMMITTED_OFFSET, "topic", "partition"),
        incomplete=page.gauge(MetricName.INCOMPLETE, "topic", "partition"),
        oldest_pending=page.gauge(MetricName.OLDEST_PENDING, "topic", "partition"),
        not_due=page.gauge(MetricName.NOT_DUE, "topic", "partition"),
        hidden=page.gauge(MetricName.HIDDEN, "topic", "partition"),
        backlog_engine=page.gauge(MetricName.BACKLOG_ENGINE, "topic", "partition"),
        lag_verdict=page.gauge(MetricName.LAG_VERDICT, "topic", "partition"),
        build=page.info(MetricName.BUILD_INFO),
        model=page.info(MetricName.MODEL_INFO),
    )


def _start_at_zero(metrics: Metrics) -> None:
    """Show every known label from the start: `increase()` never sees the first step of a series that was absent."""
    for kind in OutcomeKind:
        metrics.outcomes.labels(kind)
    for reason in Reason:
        for counter in (metrics.rejected, metrics.failures, metrics.retries, metrics.dead_letters):
            counter.labels(reason)
    for stage in Stage:
        metrics.stage_duration.labels(stage)
    for result in TransactionResult:
        metrics.transactions.labels(result)
    for lane in Lane:
        metrics.event_age.labels(lane)


@dataclass(frozen=True, slots=True)
class _Page:
    registry: CollectorRegistry

    def counter(self, name: MetricName, *labels: str) -> Counter:
        return Counter(name, name.help, labels, registry=self.registry)

    def gauge(self, name: MetricName, *labels: str) -> Gauge:
        return Gauge(name, name.help, labels, registry=self.registry)

    def histogram(self, name: MetricName, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, name.help, labels, registry=self.registry, buckets=buckets)

    def info(self, name: MetricName) -> Info:
        return Info(name.removesuffix("_info"), name.help, registry=self.registry)
