"""`leadart policy try`: what another policy would have changed about past requests.

Memory is bounded: counts, a few examples of each change, and of the slots seen last when they were first and last
saved.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final

from consumer.admin.replay.selection import RangeEnd
from consumer.admin.replay.source import OriginalRequest, SourceLane
from consumer.delivery.heads import Slot
from consumer.kafka.admin_client import open_admin
from consumer.kafka.partition_reader import open_partition_reader
from consumer.kafka.topics import one_partition_count
from consumer.processing.policy.decision import OlderSaves, PolicyDecision
from consumer.processing.policy.rules import Policy
from consumer.settings import Settings
from schemas import ImageRequested, Priority
from schemas.names import BACKFILL, REQUESTED

EXAMPLES: Final = 5
_MOST_SLOTS: Final = 200_000
NO_RULE: Final = "no rule"


@dataclass(slots=True)
class _SlotHistory:
    first_ms: int
    settles_ms: dict[str, int] = field(default_factory=dict)
    pictures: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class PolicyTally:
    """What one policy makes of the requests: how many each rule decides, and what is left to paint.

    `settled`: pictures that a newer save made unnecessary while theirs waited; they are not among the `pictures`.
    """

    rules: Counter[str] = field(default_factory=Counter)
    declined: int = 0
    held: int = 0
    pictures: int = 0
    settled: int = 0


class PolicyTrial:
    """Two policies side by side: the one in force, and another."""

    def __init__(self, in_force: Policy, tried: Policy) -> None:
        self._policies = {"in_force": in_force, "tried": tried}
        self._slots: dict[Slot, _SlotHistory] = {}
        self.tallies = {name: PolicyTally() for name in self._policies}
        self.requests = self.skipped = 0
        self.changes: Counter[tuple[str, str]] = Counter()
        self.examples: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, original: OriginalRequest) -> None:
        """Take the next request of a slot, in the order of their times."""
        request, now = original.request, original.record.timestamp_ms
        if not isinstance(request, ImageRequested):
            self.skipped += 1
            return
        self.requests += 1
        live = not original.record.topic.endswith(BACKFILL) and request.priority is Priority.NORMAL
        slot = Slot(request.article.id, request.slot)
        history = self._slots.pop(slot, None) or _SlotHistory(now)
        self._slots[slot] = history  # the slot seen last goes last
        if len(self._slots) > _MOST_SLOTS:
            del self._slots[next(iter(self._slots))]
        effects = []
        for name, policy in self._policies.items():
            decision = policy.decide(request, original.event.source, history.first_ms, now)
            settled = decision if live else replace(decision, settle_seconds=0.0)
            self._count(name, settled, request, history, now)
            effects.append(effect(decision, request))
        self._compare(effects[0], effects[1], request.article.id)

    def _count(
        self, name: str, decision: PolicyDecision, request: ImageRequested, history: _SlotHistory, now: int
    ) -> None:
        tally = self.tallies[name]
        tally.rules[decision.rule or NO_RULE] += 1
        tally.declined += decision.never
        tally.held += decision.needs_approval
        if decision.never and decision.older is OlderSaves.FINISH:
            return
        if now < history.settles_ms.get(name, 0):
            unpainted = history.pictures[name]
            tally.settled += unpainted
            tally.pictures -= unpainted
        painted = not (decision.never or decision.needs_approval)
        pictures = decision.applied_to(request).output.variants if painted else 0
        tally.pictures += pictures
        history.settles_ms[name] = now + int(decision.settle_seconds * 1000)
        history.pictures[name] = pictures

    def _compare(self, before: str, after: str, article_id: str) -> None:
        if before == after:
            return
        self.changes[before, after] += 1
        examples = self.examples[before, after]
        if len(examples) < EXAMPLES and article_id not in examples:
            examples.append(article_id)

    def as_json(self) -> dict[str, Any]:
        """Return the result for programs."""
        return {
            "requests": self.requests,
            "skipped": self.skipped,
            **{
                name: {
                    "version": self._policies[name].version or None,
                    "rules": dict(tally.rules.most_common()),
                    **{key: getattr(tally, key) for key in ("declined", "held", "pictures", "settled")},
                }
                for name, tally in self.tallies.items()
            },
            "changed": sum(self.changes.values()),
            "changes": list(self._changes()),
        }

    def _changes(self) -> Iterator[dict[str, Any]]:
        for (before, after), count in self.changes.most_common():
            yield {"from": before, "to": after, "requests": count, "articles": self.examples[before, after]}


def effect(decision: PolicyDecision, request: ImageRequested) -> str:
    """Return in a few words what becomes of a request."""
    by = f" by {decision.rule}" if decision.rule else ""
    if decision.never:
        return f"declined{by}"
    painted = decision.applied_to(request)
    effects = [f"held{by}"] if decision.needs_approval else []
    if painted.style.preset != request.style.preset:
        effects.append(f"painted in the style {painted.style.preset}{by}")
    if painted.output.variants != request.output.variants:
        effects.append(f"{painted.output.variants} variants{by}")
    return ", ".join(effects) or "painted as requested"


async def try_policy(
    settings: Settings, trial: PolicyTrial, since: RangeEnd, until: RangeEnd | None, watch: Callable[[float], None]
) -> None:
    """Add the requests of a time, of the lanes that a CMS and replays write to. Raises `BusError` and `Fatal`."""
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(open_admin(settings.kafka))
        partitions = await one_partition_count(admin, settings)
        reader = await stack.enter_async_context(open_partition_reader(settings.kafka))
        topics = [settings.topics.named(name) for name in (REQUESTED, BACKFILL)]
        lanes = [SourceLane(settings, reader, topic, partitions) for topic in topics]
        for number, lane in enumerate(lanes):
            wanted = await lane.resolve(since, until)

            def watch_lane(share: float, done: int = number) -> None:
                watch((done + share) / len(lanes))

            async for original in lane.valid(wanted, watch_lane):
                trial.add(original)
