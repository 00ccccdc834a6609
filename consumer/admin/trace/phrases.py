"""What became of a request, as a phrase that goes on after its name. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consumer.admin.dead_letters.dead_letter import format_time_ms
from consumer.admin.trace.timeline import (
    FailureFacts,
    GroupFacts,
    RecordState,
    TracedDeadLetter,
    TracedHead,
    TracedOutcome,
    TracedRequest,
)
from consumer.admin.trace.works import APPROVED, CHOSEN, RESTORED, WITHDRAWN, TracedWork
from schemas import OutcomeKind


@dataclass(frozen=True, slots=True)
class SlotStory:
    """What is known of one slot at a time: its requests in the order of their publication, and its head."""

    article: str
    works: Sequence[TracedWork]
    head: TracedHead | None
    group: GroupFacts
    now_ms: int

    @property
    def newest(self) -> TracedWork | None:
        """The request published last, without decisions that have no outcome of their own."""
        return next((work for work in reversed(self.works) if not work.is_silent), None)

    def tell(self, work: TracedWork) -> str:
        """Return a request's name and what became of it."""
        return f"{request_name(work.request)} {self.fate(work)}"

    def fate(self, work: TracedWork) -> str:
        """Return what became of a request."""
        if work.outcome is not None:
            return self.outcome_phrase(work.outcome, work.letter)
        if work.last.standing.state is not RecordState.FINISHED:
            return self._pending(work.last)
        if work.letter is not None:
            return f"became {_letter(work.letter)}: {failure_phrase(work.letter.failure)}"
        return (
            f"was finished by group {self.group.name}, yet none of its outcomes is there: the topic no longer holds "
            "it, or it was not read"
        )

    def outcome_phrase(self, outcome: TracedOutcome, letter: TracedDeadLetter | None = None) -> str:
        """Return what an outcome says of its request."""
        when = format_time_ms(outcome.ms)
        if outcome.failure is not None:
            return _failed(outcome, outcome.failure, letter)
        if outcome.newer is not None:
            return f"was superseded by revision {outcome.newer}, {self._newer(outcome.newer)}"
        match outcome.kind:
            case OutcomeKind.READY:
                beside = ", offered beside the choice" if "offers" in outcome.flags else ""
                return f"was announced {when} with {outcome.result}{beside}"
            case OutcomeKind.EXPIRED:
                return f"expired: {outcome.expires_at} passed before its turn came"
        return _decided(outcome, when)

    def _newer(self, revision: int) -> str:
        later = [work for work in self.works if work.revision == revision]
        if later:
            return f"which {self.fate(later[-1])}"
        if self.head is not None and self.head.revision == revision:
            return (
                f"which came with request {self.head.request_id} of {self.head.source} and is no longer in the topics "
                f"(if it was a mistake: leadart heads reset {self.article})"
            )
        return "which is no longer in the topics"

    def _pending(self, record: TracedRequest) -> str:
        standing, group = record.standing, self.group
        if standing.state is RecordState.UNKNOWN:
            why = group.stuck or group.problem or f"group {group.name} has no offset there"
            return f"has no outcome, and how far the group is with it is unknown: {bare(why)}"
        if held := self._held(record):
            return held
        if standing.state is RecordState.IN_ENGINE and group.workers != 0:
            return "is being painted now"
        before = _count(standing.before, "record") if standing.before else "no record"
        deaths = f", {_count(standing.deaths, 'worker')} died with it in the engine" if standing.deaths else ""
        again = f", {_again(record)}" if record.is_retry else ""
        where = f"waits at {record.place}" if record.is_retry else "is not finished yet"
        return f"{where}: {before} before it{deaths}{again}{self._workers()}"

    def _held(self, record: TracedRequest) -> str:
        """Return what holds a record though nothing is wrong; empty if nothing does."""
        if record.called_off:
            return f"is called off, and ends as cancelled when a worker reads it{self._workers()}"
        if record.paused_ms:
            since = format_time_ms(record.paused_ms)
            return f"is paused by an operator since {since}: leadart pause lists what is, leadart resume lets it go on"
        if record.is_retry and record.due_ms > self.now_ms:
            return f"{_retry(record)}{self._workers()}"
        if record.standing.state is RecordState.WAITING and record.settles_ms > self.now_ms:
            until = format_time_ms(record.settles_ms)
            return f"settles until {until}: a newer save would take its place{self._workers()}"
        return ""

    def _workers(self) -> str:
        """Return what keeps the group from working, if anything does."""
        if self.group.stuck:
            return f". Its partition stands still: {bare(self.group.stuck)}"
        if self.group.workers == 0:
            return f", and no worker is in group {self.group.name}: start one"
        if self.group.outage:
            return f", and the workers hold requests back ({self.group.outage})"
        return ""


def request_name(request: TracedRequest) -> str:
    """Return a request's name: what it is, and where and when it was published."""
    kind = _KINDS.get(request.kind, f"the {request.kind} event" if request.kind else "the record")
    revision = "" if request.revision is None else f" of revision {request.revision}"
    how = ", published by a replay" if request.replay else ", redriven" if request.redriven else ", published"
    return f"{kind}{revision}{how} {format_time_ms(request.ms)} ({request.place}),"


_KINDS: Final[Mapping[str, str]] = {
    "image-requested": "the request",
    "image-recrop-requested": "the re-crop",
    CHOSEN: "the choice",
    WITHDRAWN: "the withdrawal",
    RESTORED: "the restoration",
    APPROVED: "the approval",
}


def _failed(outcome: TracedOutcome, failure: FailureFacts, letter: TracedDeadLetter | None) -> str:
    kept = f"; its original is {_letter(letter)}" if letter else ""
    if outcome.final:
        return f"was refused {format_time_ms(outcome.ms)}: {failure_phrase(failure)}{kept}"
    attempts = _count(max(outcome.attempts, 1), "attempt")
    again = (
        f"; once the cause is fixed: leadart dead-letters redrive {_at(letter)} --execute" if _is_open(letter) else ""
    )
    return f"failed {format_time_ms(outcome.ms)} after {attempts}: {failure_phrase(failure)}{kept}{again}"


def _decided(outcome: TracedOutcome, when: str) -> str:
    said = f": {bare(outcome.message)}" if outcome.message else ""
    match outcome.kind:
        case OutcomeKind.DECLINED:
            return f"was declined {when} by rule {outcome.rule}{said}"
        case OutcomeKind.HELD:
            release = f"an image-approved event for slot {outcome.slot} and revision {outcome.revision} lets it go on"
            return f"is held since {when} by rule {outcome.rule}{said}; {release}, else it expires {outcome.expires_at}"
        case OutcomeKind.CANCELLED:
            return f"was called off {when}{said}"
    return f"ended {when} as {outcome.kind}{said}"


def _retry(record: TracedRequest) -> str:
    return f"waits in {record.place.topic} until {format_time_ms(record.due_ms)}: {_again(record)}"


def _again(record: TracedRequest) -> str:
    why = f", because of {failure_phrase(record.failure)}" if record.failure else ""
    return f"attempt {record.attempt} comes next{why}"


def failure_phrase(failure: FailureFacts) -> str:
    """Return why something failed, with its code and field."""
    return f"{bare(failure.message)} ({failure_code(failure)})"


def failure_code(failure: FailureFacts) -> str:
    """Return a failure's code, and its field."""
    return f"{failure.reason}, field {failure.field}" if failure.field else failure.reason


def _letter(letter: TracedDeadLetter) -> str:
    acted = f" {letter.acted_at}" if letter.acted_at else ""
    return f"dead letter {_at(letter)} ({letter.state}{acted})"


def _at(letter: TracedDeadLetter | None) -> str:
    return f"{letter.place.partition}:{letter.place.offset}" if letter else ""


def _is_open(letter: TracedDeadLetter | None) -> bool:
    return letter is not None and letter.state == "open"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def bare(sentence: str) -> str:
    """Return a sentence without its full stop, to go on after it."""
    return sentence.rstrip(". ")
