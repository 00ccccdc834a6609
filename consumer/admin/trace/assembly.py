"""From the records that were found to the parts of a timeline. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from consumer.admin.dead_letters.dead_letter import ActionMark, DeadLetterRecord, parse_record
from consumer.admin.trace.group import GroupView
from consumer.admin.trace.holds import Holds
from consumer.admin.trace.parsing import parse_head, parse_lane_record, parse_letter, parse_outcome, place_of
from consumer.admin.trace.timeline import Place, TracedDeadLetter, TracedHead, TracedOutcome, TracedRequest
from consumer.delivery.controls import NO_CONTROLS, Controls, controls_key, read_controls
from consumer.delivery.heads import NO_HEAD, Head, read_head, slot_of
from consumer.delivery.retry import RetryPolicy
from consumer.jobs import Record
from consumer.kafka.announced import parse_announced


def last_holds(heads: Iterable[Record], group: GroupView, article: str) -> dict[int, Holds]:
    """Return what holds requests of an article, by shard, of records of the heads in the topic's order."""
    controls: dict[int, Controls] = {}
    slots: defaultdict[int, dict[str, Head]] = defaultdict(dict)
    for record in heads:
        if record.key == controls_key(group.name):
            controls[record.partition] = read_controls(record.value)
        elif (slot := slot_of(record.key or b"", group.name)) is not None and slot.article_id == article:
            slots[record.partition][slot.name] = read_head(record.value or b"") or NO_HEAD
    return {shard: Holds(controls.get(shard, NO_CONTROLS), group.policy, slots[shard]) for shard in {*controls, *slots}}


def traced_requests(
    records: Iterable[Record], retries: RetryPolicy, group: GroupView, holds: Mapping[int, Holds]
) -> tuple[TracedRequest, ...]:
    """Return the records of lanes, in time order."""
    usual = Holds(policy=group.policy)
    found = [
        parse_lane_record(record, retries, group.standing(place_of(record)), holds.get(record.partition, usual))
        for record in records
    ]
    return tuple(sorted(found, key=_time))


def traced_outcomes(records: Iterable[Record], requests: Iterable[TracedRequest]) -> tuple[TracedOutcome, ...]:
    """Return the outcomes among the records, in time order; the requests say which of them let go of a choice."""
    letting_go = {request.request_id for request in requests if request.lets_go}
    events = filter(None, map(parse_announced, records))
    told = (replace(event, lets_go=event.request_id in letting_go) for event in events)
    return tuple(sorted(map(parse_outcome, told), key=_time))


def traced_letters(records: Iterable[Record]) -> tuple[TracedDeadLetter, ...]:
    """Return the dead letters, in time order, each in the state that its last mark says; the order is the topic's."""
    letters: dict[Place, TracedDeadLetter] = {}
    for record in records:
        entry = parse_record(record)
        if isinstance(entry, DeadLetterRecord):
            letters[place_of(record)] = parse_letter(entry, record.topic)
        elif isinstance(entry, ActionMark):
            of = Place(record.topic, record.partition, entry.of)
            if of in letters:
                letters[of] = replace(letters[of], state=entry.state.value, acted_at=entry.at)
    return tuple(sorted(letters.values(), key=_time))


def traced_heads(records: Iterable[Record], group_id: str, article: str) -> tuple[TracedHead, ...]:
    """Return the last entry of each slot, without slots whose entry was deleted; the order is the topic's."""
    heads: dict[tuple[str, int], TracedHead] = {}
    for record in records:
        slot, head = slot_of(record.key or b"", group_id), parse_head(record, group_id, article)
        if slot is None or slot.article_id != article:
            continue
        where = (slot.name, record.partition)
        heads.pop(where, None)
        if head is not None:
            heads[where] = head
    return tuple(sorted(heads.values(), key=lambda head: (head.slot, head.place)))


def _time(each: TracedRequest | TracedOutcome | TracedDeadLetter) -> tuple[int, Place]:
    return each.ms, each.place
