"""What keeps a request from being painted though nothing is wrong: operators, and the settle time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumer.delivery.controls import NO_CONTROLS, Controls, Traits
from consumer.delivery.heads import NO_HEAD, Head
from consumer.jobs import Lane, Record
from consumer.processing.policy import PAINT_EVERYTHING, Policy
from consumer.processing.reading import lane_of
from schemas import ImageRequested
from schemas.requests import ImageRequest


@dataclass(frozen=True, slots=True)
class RequestHold:
    """What holds one request, as `TracedRequest` has it; nothing by default."""

    paused_ms: int = 0
    called_off: bool = False
    settles_ms: int = 0


@dataclass(frozen=True, slots=True)
class Holds:
    """What requests of one shard are held by: its controls, the editorial policy and the slots' heads, by name."""

    controls: Controls = NO_CONTROLS
    policy: Policy = PAINT_EVERYTHING
    heads: Mapping[str, Head] = field(default_factory=dict)

    def on(self, read: Record, original: Record, request: ImageRequest, source: str) -> RequestHold:
        """Return what holds a request that has no end yet; `original` is what its publisher wrote."""
        traits = Traits.of(read, original, request, source)
        if self.controls.cancel_of(traits) is not None:
            return RequestHold(called_off=True)
        pause = self.controls.pause_of(traits)
        if pause is not None:
            return RequestHold(paused_ms=pause.since)
        if isinstance(request, ImageRequested) and lane_of(read, original, request) is Lane.LIVE:
            return RequestHold(settles_ms=self._settles_ms(request, source, original.timestamp_ms))
        return RequestHold()

    def _settles_ms(self, request: ImageRequested, source: str, asked_ms: int) -> int:
        head = self.heads.get(request.slot, NO_HEAD)
        if head.editorial.choice is not None or head.editorial.withdrawal is not None:
            return 0  # an editor decided: no policy is asked
        decision = self.policy.decide(request, source, head.since or None, asked_ms)
        painted = not (decision.never or decision.needs_approval)
        return asked_ms + int(decision.settle_seconds * 1000) if painted and decision.settle_seconds else 0
