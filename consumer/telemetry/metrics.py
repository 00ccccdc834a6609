"""The worker's metrics, each worker's on a registry of its own, so that two in one process count separately."""

# ruff: noqa: RUF009 - what the calls return are dataclass fields, not shared defaults

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from consumer import __version__
from consumer.jobs import Lane, ModelIdentity
from consumer.telemetry.names import MetricName
from schemas import OutcomeKind, Reason

_AGE = (1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 300, 900, 3600, 21_600, 86_400)
_STAGE = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 900)
_TRANSACTION = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_PARTITION = ("topic", "partition")


class Stage(StrEnum):
    """The stages of a job whose durations are measured."""

    QUEUED = "queued"
    BRIEF = "brief"
    SETTLE = "settle"
    ENGINE = "engine"
    ENCODE = "encode"
    STORE = "store"
    RENDITIONS = "renditions"
    ANNOUNCE = "announce"


class TransactionResult(StrEnum):
    """How a transaction ended; `failed` includes ambiguous results."""

    COMMITTED = "committed"
    FAILED = "failed"


def _counter(name: MetricName, *labels: str) -> Any:
    return field(metadata={"make": partial(Counter, name, name.help, labels)})


def _gauge(name: MetricName, *labels: str) -> Any:
    return field(metadata={"make": partial(Gauge, name, name.help, labels)})


def _histogram(name: MetricName, buckets: tuple[float, ...], *labels: str) -> Any:
    return field(metadata={"make": partial(Histogram, name, name.help, labels, buckets=buckets)})


def _info(name: MetricName) -> Any:
    return field(metadata={"make": partial(Info, name.removesuffix("_info"), name.help)})


@dataclass(frozen=True, slots=True)
class Metrics:
    """Every metric as an object, declared with its labels; `consumer.telemetry.names` says what each one means."""

    registry: CollectorRegistry

    events_consumed: Counter = _counter(MetricName.EVENTS_CONSUMED, "topic")
    outcomes: Counter = _counter(MetricName.OUTCOMES, "kind")
    rejected: Counter = _counter(MetricName.REJECTED, "reason")
    failures: Counter = _counter(MetricName.FAILURES, "reason")
    retries: Counter = _counter(MetricName.RETRIES, "reason")
    dead_letters: Counter = _counter(MetricName.DEAD_LETTERS, "reason")
    event_age: Histogram = _histogram(MetricName.EVENT_AGE, _AGE, "lane")
    last_success: Gauge = _gauge(MetricName.LAST_SUCCESS)

    stage_duration: Histogram = _histogram(MetricName.STAGE_DURATION, _STAGE, "stage")
    pictures: Counter = _counter(MetricName.PICTURES, "style", "reused")
    jobs_in_hand: Gauge = _gauge(MetricName.JOBS_IN_HAND, "topic")
    pictures_unstored: Gauge = _gauge(MetricName.PICTURES_UNSTORED)
    progress_dropped: Counter = _counter(MetricName.PROGRESS_DROPPED)
    log_lines_lost: Counter = _counter(MetricName.LOG_LINES_LOST)

    engine_restarts: Counter = _counter(MetricName.ENGINE_RESTARTS)
    breaker_open: Gauge = _gauge(MetricName.BREAKER_OPEN)
    engine_ready: Gauge = _gauge(MetricName.ENGINE_READY)
    engine_device_ready: Gauge = _gauge(MetricName.ENGINE_DEVICE_READY, "device")

    paused: Gauge = _gauge(MetricName.PAUSED)

    transactions: Counter = _counter(MetricName.TRANSACTIONS, "result")
    transaction_duration: Histogram = _histogram(MetricName.TRANSACTION_DURATION, _TRANSACTION)
    shards_open: Gauge = _gauge(MetricName.SHARDS_OPEN)
    shard_reopens: Counter = _counter(MetricName.SHARD_REOPENS)
    assigned_partitions: Gauge = _gauge(MetricName.ASSIGNED_PARTITIONS)
    rebalances: Counter = _counter(MetricName.REBALANCES)

    group_strangers: Gauge = _gauge(MetricName.GROUP_STRANGERS)
    foreign_commits: Counter = _counter(MetricName.FOREIGN_COMMITS)

    deleted_unread: Counter = _counter(MetricName.DELETED_UNREAD, "topic")
    consumer_lag: Gauge = _gauge(MetricName.CONSUMER_LAG, *_PARTITION)
    committed_offset: Gauge = _gauge(MetricName.COMMITTED_OFFSET, *_PARTITION)
    incomplete: Gauge = _gauge(MetricName.INCOMPLETE, *_PARTITION)
    oldest_pending: Gauge = _gauge(MetricName.OLDEST_PENDING, *_PARTITION)
    not_due: Gauge = _gauge(MetricName.NOT_DUE, *_PARTITION)
    hidden: Gauge = _gauge(MetricName.HIDDEN, *_PARTITION)
    backlog_engine: Gauge = _gauge(MetricName.BACKLOG_ENGINE, *_PARTITION)
    foreign_offsets: Gauge = _gauge(MetricName.FOREIGN_OFFSETS, *_PARTITION)
    lag_verdict: Gauge = _gauge(MetricName.LAG_VERDICT, *_PARTITION)

    ready: Gauge = _gauge(MetricName.READY)
    build: Info = _info(MetricName.BUILD_INFO)
    model: Info = _info(MetricName.MODEL_INFO)

    @property
    def by_partition(self) -> tuple[Gauge, ...]:
        """The gauges with a series per partition."""
        lag = (self.consumer_lag, self.committed_offset, self.incomplete, self.oldest_pending)
        return (*lag, self.not_due, self.hidden, self.backlog_engine, self.foreign_offsets, self.lag_verdict)

    def set_partition(self, topic: str, partition: int, figures: Mapping[Gauge, float | None]) -> None:
        """Set the figures of a partition. None is unknown: the series is removed, not set to 0."""
        for gauge, figure in figures.items():
            if figure is None:
                gauge.remove(topic, partition)
            else:
                gauge.labels(topic, partition).set(figure)

    def remove_partition(self, topic: str, partition: int) -> None:
        """Remove every series of a partition that this worker no longer owns."""
        for gauge in self.by_partition:
            gauge.remove(topic, partition)

    def mean_seconds(self, stage: Stage) -> float | None:
        """Return the mean time that jobs have spent in a stage since the worker started; None before the first."""
        samples = {
            sample.name: sample.value
            for family in self.stage_duration.collect()
            for sample in family.samples
            if sample.labels["stage"] == stage and not sample.name.endswith("_bucket")
        }
        name = MetricName.STAGE_DURATION
        count = samples[f"{name}_count"]
        return samples[f"{name}_sum"] / count if count else None

    def set_model(self, model: ModelIdentity) -> None:
        """Export which weights are loaded."""
        self.model.info({"model": model.name, "sha256": model.sha256})


def make_metrics() -> Metrics:
    """Return new metrics, all at zero, and the process's own (memory, open files, CPU) on the same registry."""
    # Otherwise the text format shows a `_created` gauge beside each counter.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    made = {one.name: one.metadata["make"](registry=registry) for one in fields(Metrics) if one.metadata}
    metrics = Metrics(registry=registry, **made)
    metrics.build.info({"version": __version__})
    metrics.last_success.set_to_current_time()
    _start_at_zero(metrics)
    return metrics


def _start_at_zero(metrics: Metrics) -> None:
    """Create a series for every known label: `increase()` misses the first step of a series that was absent."""
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
