from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from consumer import __version__
from consumer.jobs import Lane, ModelIdentity
from consumer.telemetry.metrics import Metrics, Stage, make_metrics
from consumer.telemetry.names import MetricName
from schemas import OutcomeKind, Reason


def exported(registry: CollectorRegistry) -> dict[str, str]:
    """Every leadart metric as (name on the page, type)."""
    endings = {"counter": "_total", "info": "_info"}
    families = [family for family in registry.collect() if not family.name.startswith("process_")]
    return {family.name + endings.get(family.type, ""): family.type for family in families}


def page(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_the_code_exports_exactly_the_names_on_the_list() -> None:
    """The exported metrics and the list are the same."""
    assert set(exported(make_metrics().registry)) == {str(name) for name in MetricName}


def test_every_field_is_a_metric_of_the_registry() -> None:
    """There are as many typed fields as exported metrics."""
    metrics = make_metrics()
    fields = [getattr(metrics, name) for name in Metrics.__dataclass_fields__]
    assert sum(isinstance(value, Counter | Gauge | Histogram | Info) for value in fields) == len(MetricName)


@pytest.mark.parametrize("name", list(MetricName))
def test_names_keep_the_naming_rules(name: MetricName) -> None:
    """One prefix, lower case, `_total` for counters only, base units, and a help that is a sentence."""
    kind = exported(make_metrics().registry)[name]
    assert name.startswith("leadart_")
    assert name.replace("_", "").isalnum()
    assert name.islower()
    assert name.endswith("_total") == (kind == "counter")
    assert name.endswith("_info") == (kind == "info")
    assert kind != "histogram" or name.endswith("_seconds")
    assert not any(unit in name for unit in ("milliseconds", "minutes", "kilobytes", "percent", "count", "gauge"))
    assert name.help.endswith(".")


def test_two_workers_in_one_process_count_separately() -> None:
    """Metrics share no global registry."""
    one, other = make_metrics(), make_metrics()
    one.rebalances.inc()
    assert one.registry.get_sample_value("leadart_rebalances_total") == 1
    assert other.registry.get_sample_value("leadart_rebalances_total") == 0


def test_known_labels_stand_at_zero_from_the_start() -> None:
    """The first failure of a kind is a step from 0, which `increase()` sees."""
    value = make_metrics().registry.get_sample_value
    for kind in OutcomeKind:
        assert value("leadart_outcomes_total", {"kind": kind}) == 0
    for reason in Reason:
        assert value("leadart_dead_letters_total", {"reason": reason}) == 0
    for stage in Stage:
        assert value("leadart_stage_duration_seconds_count", {"stage": stage}) == 0
    for lane in Lane:
        assert value("leadart_event_age_seconds_count", {"lane": lane}) == 0


def test_unknown_lag_is_absent_and_never_zero() -> None:
    """Lag is exported from when it is known until the partition is removed."""
    metrics = make_metrics()
    at = {"topic": "article-image-requested", "partition": "3"}
    assert metrics.registry.get_sample_value("leadart_consumer_lag_records", at) is None
    metrics.consumer_lag.labels("article-image-requested", 3).set(7)
    metrics.committed_offset.labels("article-image-requested", 3).set(100)
    assert metrics.registry.get_sample_value("leadart_consumer_lag_records", at) == 7
    metrics.remove_partition("article-image-requested", 3)
    assert metrics.registry.get_sample_value("leadart_consumer_lag_records", at) is None
    assert metrics.registry.get_sample_value("leadart_committed_offset", at) is None


def test_removing_an_unknown_partition_is_allowed() -> None:
    """A partition may be revoked before its lag was ever known."""
    make_metrics().remove_partition("article-image-requested", 0)


def test_the_page_says_what_runs() -> None:
    """Version and model are labels of metrics that are always 1."""
    metrics = make_metrics()
    metrics.set_model(ModelIdentity("z-image", "ab" * 32))
    assert f'leadart_build_info{{version="{__version__}"}} 1.0' in page(metrics)
    assert f'leadart_model_info{{model="z-image",sha256="{"ab" * 32}"}} 1.0' in page(metrics)


def test_the_page_carries_no_stray_series() -> None:
    """The page has nothing beyond the list: no `_created` beside the counters."""
    assert "_created" not in page(make_metrics())
