"""A timeline as rows for people, and as values for JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from consumer.admin.dead_letters.dead_letter import format_time_ms
from consumer.admin.trace.phrases import failure_code, failure_phrase
from consumer.admin.trace.timeline import (
    FileState,
    RecordState,
    Timeline,
    TracedDeadLetter,
    TracedHead,
    TracedOutcome,
    TracedPicture,
    TracedRequest,
)
from consumer.storage.manifest import manifest_key
from consumer.storage.marker import marker_key
from consumer.storage.references import article_digest

_Traced = TracedRequest | TracedOutcome | TracedDeadLetter | TracedHead
_TYPES: Final[Mapping[type[_Traced], str]] = {
    TracedRequest: "request",
    TracedOutcome: "outcome",
    TracedDeadLetter: "dead_letter",
    TracedHead: "head",
}


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One row: a time (empty for what is stored), a place, and what is there."""

    time: str
    where: str
    what: str


def trace_rows(timeline: Timeline) -> list[TraceRow]:
    """Return the records in time order, then what is in the heads and in the store."""
    records: list[tuple[_Traced, str]] = [
        *((one, _request(one)) for one in timeline.requests),
        *((one, _outcome(one)) for one in timeline.outcomes),
        *((one, _letter(one)) for one in timeline.letters),
        *((one, _head(one)) for one in timeline.heads),
    ]
    records.sort(key=lambda each: each[0].ms)  # stable: of one transaction the outcome comes first
    rows = [TraceRow(format_time_ms(one.ms), str(one.place), what) for one, what in records]
    return rows + [TraceRow("", where, what) for where, what in _stored(timeline)]


def trace_values(timeline: Timeline) -> dict[str, Any]:
    """Return the same for JSON: every record and file by itself, with the time that it has."""
    records: list[_Traced] = [*timeline.requests, *timeline.outcomes, *timeline.letters, *timeline.heads]
    return {
        "article": timeline.article,
        "events": [_value(one) for one in sorted(records, key=lambda one: one.ms)],
        "files": [{"key": key, "state": state.value} for key, state in timeline.store.states.items()],
        "uses": [asdict(use) for use in timeline.store.uses],
        "withdrawn": dict(timeline.store.withdrawn),
        "store_problem": timeline.store.problem or None,
        "group": asdict(timeline.group),
        "search": asdict(timeline.search),
    }


def _value(one: _Traced) -> dict[str, Any]:
    value = {"type": _TYPES[type(one)], "time": format_time_ms(one.ms), **asdict(one), "place": one.place._asdict()}
    if isinstance(one, TracedRequest | TracedDeadLetter):
        value["origin"] = one.origin._asdict()
    if isinstance(one, TracedOutcome):
        value["flags"] = sorted(one.flags)
    return value


def _about(slot: str | None, revision: int | None) -> str:
    return ", ".join([slot or "no slot", "no revision" if revision is None else f"revision {revision}"])


def _request(one: TracedRequest) -> str:
    again = f"attempt {one.attempt} of {one.request_id}, due {format_time_ms(one.due_ms)}" if one.is_retry else ""
    replay = f", replay {one.replay}" if one.replay else ""
    redriven = f", redriven from dead letter {one.redriven}" if one.redriven else ""
    name = again or f"{one.kind or 'no event'} {one.request_id} ({_about(one.slot, one.revision)}){replay}{redriven}"
    broken = f", breaks the contract ({failure_code(one.problem)})" if one.problem else ""
    why = f", because of {failure_phrase(one.failure)}" if one.failure else ""
    return f"{name}: {_state(one)}{broken}{why}"


def _state(one: TracedRequest) -> str:
    before = f", {one.standing.before} before it" if one.standing.state is RecordState.WAITING else ""
    paused = f", paused since {format_time_ms(one.paused_ms)}" if one.paused_ms else ""
    settles = f", settles until {format_time_ms(one.settles_ms)}" if one.settles_ms else ""
    return f"{one.standing.state}{before}{', called off' if one.called_off else paused or settles}"


def _outcome(one: TracedOutcome) -> str:
    flags = f" [{', '.join(sorted(one.flags))}]" if one.flags else ""
    return f"{one.kind} {one.request_id} ({_about(one.slot, one.revision)}): {one.result or one.message}{flags}"


def _letter(one: TracedDeadLetter) -> str:
    acted = f" {one.acted_at}" if one.acted_at else ""
    return f"dead letter, {one.state}{acted}, of {one.origin}: {failure_code(one.failure)}"


def _head(one: TracedHead) -> str:
    made = "none" if one.made is None else str(one.made)
    decided = f"; {one.decided}" if one.decided else ""
    if not one.slot:
        return f"head of the whole article{decided}"
    return f"head of {one.slot}: revision {one.revision} by request {one.request_id}; announced: {made}{decided}"


def _stored(timeline: Timeline) -> Iterator[tuple[str, str]]:
    """Yield key and state of what is stored of each picture; of renditions, only those that are not there."""
    pictures = {picture: None for outcome in timeline.outcomes for picture in outcome.pictures}
    for picture in pictures:
        yield from _files(picture, timeline.store.states)
    for use in timeline.store.uses:
        if not use.announced:
            yield use.picture or manifest_key(use.recipe), f"stored for {use.slot}, in no outcome that was read"
    for slot, by in timeline.store.withdrawn.items():
        yield marker_key(article_digest(timeline.article)), f"{slot or 'all slots'}: marked as withdrawn by {by}"


def _files(picture: TracedPicture, states: Mapping[str, FileState]) -> Iterator[tuple[str, str]]:
    manifest = manifest_key(picture.recipe)
    yield (
        picture.url or picture.master.key,
        f"picture: {_state_of(picture.master.key, states)}, {picture.master.size} bytes",
    )
    yield manifest, f"manifest: {_state_of(manifest, states)}"
    found = Counter(_state_of(file.key, states) for file in picture.files[1:])
    for state in (FileState.THERE, FileState.UNKNOWN):
        if found[state]:
            yield "", f"renditions {state}: {found[state]}"
    for file in picture.files[1:]:
        if (state := _state_of(file.key, states)) in {FileState.GONE, FileState.DAMAGED}:
            yield file.key, f"rendition {file.name}: {state}"


def _state_of(key: str, states: Mapping[str, FileState]) -> FileState:
    return states.get(key, FileState.UNKNOWN)
