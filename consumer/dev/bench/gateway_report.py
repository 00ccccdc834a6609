"""What `leadart bench gateway` measured, and its report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from consumer.dev.bench.reporting import BenchReport, met, spread

ACCEPTED_BAR = 500
LATENCY_BAR = 0.1
FAN_BAR = 1.0
CARD_BAR = 2.0


@dataclass(frozen=True, slots=True)
class GatewayResult:
    """All measurements of one run, in seconds where nothing else is said."""

    machine: Mapping[str, str]
    listeners: int
    accepted_per_second: tuple[float, ...]
    paced_seconds: tuple[float, ...]
    fan_seconds: tuple[float, ...]
    fan_half_seconds: tuple[float, ...]
    queued_seconds: tuple[float, ...]
    ready_seconds: tuple[float, ...]
    engine_seconds: tuple[float, ...]

    @property
    def accepted(self) -> float:
        """Requests accepted per second, the median of the rounds."""
        return median(self.accepted_per_second)

    @property
    def paced_p99(self) -> float:
        """The 99th percentile at 100 requests a second."""
        return quantiles(self.paced_seconds, n=100)[98]

    @property
    def card_seconds(self) -> tuple[float, ...]:
        """From the save to the picture on the stream, without the engine's time."""
        return tuple(ready - engine for ready, engine in zip(self.ready_seconds, self.engine_seconds, strict=True))

    @property
    def passed(self) -> bool:
        """Whether all bars were reached: each by its median, the latency by its 99th percentile."""
        slow = (self.paced_p99 / LATENCY_BAR, median(self.fan_seconds) / FAN_BAR, median(self.card_seconds) / CARD_BAR)
        return self.accepted >= ACCEPTED_BAR and max(slow) < 1

    def as_json(self) -> dict[str, Any]:
        """Return all measurements and conclusions as JSON types."""
        conclusions = {"accepted": self.accepted, "paced_p99": self.paced_p99, "passed": self.passed}
        return {**asdict(self), "machine": dict(self.machine), **conclusions}


def gateway_report(result: GatewayResult) -> BenchReport:
    """Return the report of a run."""
    return BenchReport(
        name="leadart bench gateway",
        title="The gateway beside its broker",
        verdict=_verdict(result),
        figures=result.as_json(),
        passed=result.passed,
        head=("", "median", "least to most", "bar"),
        rows=[
            (
                "requests accepted per second",
                f"{result.accepted:.0f}",
                spread(result.accepted_per_second, ".0f"),
                f"at least {ACCEPTED_BAR}",
            ),
            _row("answer at 100 requests/s", result.paced_seconds),
            ("its 99th percentile", f"{result.paced_p99 * 1000:.1f} ms", "", f"under {LATENCY_BAR * 1000:.0f} ms"),
            _row(f"event at all {result.listeners} listeners", result.fan_seconds, FAN_BAR),
            _row("event at half of them", result.fan_half_seconds),
            _row("save on the stream as queued", result.queued_seconds),
            _row("its picture on the stream", result.ready_seconds),
            _row("the same without the engine's time", result.card_seconds, CARD_BAR),
        ],
        machine=result.machine,
        explanation=_EXPLANATION.format(listeners=result.listeners, events=len(result.fan_seconds)),
    )


def _row(name: str, seconds: Sequence[float], bar: float | None = None) -> tuple[str, ...]:
    milliseconds = [each * 1000 for each in seconds]
    allowed = "" if bar is None else f"under {bar * 1000:.0f} ms"
    return name, f"{median(milliseconds):.1f} ms", f"{spread(milliseconds, '.1f')} ms", allowed


def _verdict(result: GatewayResult) -> str:
    fan, card = median(result.fan_seconds), median(result.card_seconds)
    return (
        f"{result.accepted:.0f} requests/s accepted (bar {ACCEPTED_BAR}: {met(result.accepted >= ACCEPTED_BAR)}); at "
        f"100/s the 99th percentile is {result.paced_p99 * 1000:.0f} ms (bar {LATENCY_BAR * 1000:.0f}: "
        f"{met(result.paced_p99 < LATENCY_BAR)}); an event reaches {result.listeners} listeners in {fan * 1000:.0f} ms "
        f"(bar {FAN_BAR * 1000:.0f}: {met(fan < FAN_BAR)}); a save is on the stream with its picture "
        f"{card * 1000:.0f} ms after it was published, without the engine's time (bar {CARD_BAR * 1000:.0f}: "
        f"{met(card < CARD_BAR)})."
    )


_EXPLANATION = """\
## What was done

Kafka, the store and `leadart gateway` run on this machine, each in its process, and so does the load: raw
keep-alive connections that cost little beside the server. All four share the cores.

- **Requests accepted**: 32 connections publish saves of new articles, each as soon as it was answered 202, which is
  after all in-sync replicas have the record (`acks=all`; here there is one broker). No worker runs.
- **Answer at 100 requests/s**: saves are due at a fixed rate, whether or not earlier ones were answered; the clock
  starts when each was due.
- **Event at all listeners**: {listeners} clients have `/v1/events` open; one save is published at a time, {events} of
  them. The clock starts before its HTTP request and stops when the last client has read the event.
- **Save to picture**: a worker with the swatch engine paints a save, one at a time. The clock starts before the HTTP
  request; it stops when a client of `/v1/events` has read the outcome, with all renditions stored. The engine's
  time is the outcome's `seconds.engine`: add that of your model.

## What is left out

- TLS, a proxy and the network between machines.
- Replication: more brokers answer later.

## Run it

```sh
leadart bench gateway --write
```
"""
