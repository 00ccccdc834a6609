"""Why has this story no picture? Or which one has it, and since when: a timeline in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from consumer.admin.dead_letters.dead_letter import format_time_ms
from consumer.admin.trace.caveats import caveats, unannounced
from consumer.admin.trace.decisions import decision_phrase
from consumer.admin.trace.phrases import SlotStory
from consumer.admin.trace.pictures import TraceAnswer, with_picture
from consumer.admin.trace.shown import last_decision, shown_outcome
from consumer.admin.trace.timeline import Timeline, TracedOutcome
from consumer.admin.trace.works import TracedWork, collect_works
from schemas import OutcomeKind


def explain(timeline: Timeline, now_ms: int, request_id: str = "") -> TraceAnswer:
    """Answer for each slot that anything was ever asked for; for one request, if that is given."""
    works = collect_works(timeline)
    if request_id:
        answers = [_about_request(timeline, works, now_ms, request_id)]
    elif timeline.is_empty:
        answers = [TraceAnswer(picture=False, sentence=_nothing(timeline))]
    else:
        answers = [_about_slot(timeline, _story(timeline, works, now_ms, slot), slot) for slot in _slots(timeline)]
    picture = all(answer.picture for answer in answers)
    sentences = [answer.sentence for answer in answers] + ([] if picture else unannounced(timeline)) + caveats(timeline)
    return TraceAnswer(picture, " ".join(sentences))


def _slots(timeline: Timeline) -> list[str | None]:
    """Return the slots that anything is about; [None] if no slot can be read of anything."""
    slots = [one.slot for one in timeline.requests] + [one.slot for one in timeline.outcomes]
    slots += [one.slot for one in timeline.heads]
    return [*sorted({slot for slot in slots if slot})] or [None]


def _story(timeline: Timeline, works: Sequence[TracedWork], now_ms: int, slot: str | None) -> SlotStory:
    works = [work for work in works if work.slot in {slot, None}]
    heads = [head for head in timeline.heads if head.slot == slot]
    return SlotStory(timeline.article, works, heads[-1] if heads else None, timeline.group, now_ms)


def _about_slot(timeline: Timeline, story: SlotStory, slot: str | None) -> TraceAnswer:
    subject = f"{slot} of {timeline.article}" if slot else timeline.article
    outcomes = [one for one in timeline.outcomes if one.slot in {slot, None}]
    shown, newest = shown_outcome(outcomes), story.newest
    if shown is None:
        return TraceAnswer(picture=False, sentence=f"{subject} has no picture: {_why(story, outcomes)}.")
    answer = with_picture(subject, shown, timeline)
    if newest is None or newest.outcome is shown or _is_answered(newest, shown):
        return answer
    then = "Later" if newest.request.ms >= shown.ms else "Meanwhile"
    return TraceAnswer(answer.picture, f"{answer.sentence} {then}, {story.tell(newest)}.")


def _is_answered(work: TracedWork, shown: TracedOutcome) -> bool:
    """Return whether a request came to what is shown: it, or the same request published again, was announced so."""
    return work.outcome is not None and work.outcome.request_id == shown.request_id


def _why(story: SlotStory, outcomes: Sequence[TracedOutcome]) -> str:
    decision, newest = last_decision(outcomes), story.newest
    if decision is not None:
        return decision_phrase(story, decision)
    if newest is not None:
        return story.tell(newest)
    if outcomes:
        return f"its last request {story.outcome_phrase(outcomes[-1])}"
    if story.head is not None:
        made = "none was announced" if story.head.made is None else f"revision {story.head.made} was announced last"
        return f"the topics hold only its head: the newest request was of revision {story.head.revision}, and {made}"
    return "what the topics hold says no more"


def _about_request(timeline: Timeline, every: Sequence[TracedWork], now_ms: int, request_id: str) -> TraceAnswer:
    works = [work for work in every if work.request.request_id == request_id]
    outcomes = [one for one in timeline.outcomes if one.request_id == request_id]
    if not works and not outcomes:
        return TraceAnswer(picture=False, sentence=f"No request with the event id {request_id} is {_scope(timeline)}.")
    last = (works[-1].outcome or works[-1].released) if works else outcomes[-1]
    slot = works[-1].slot if works else outcomes[-1].slot
    subject = f"Request {request_id} ({slot or 'no slot'} of {timeline.article})"
    story = _story(timeline, every, now_ms, slot)
    if last is None or last.kind != OutcomeKind.READY:
        phrase = story.tell(works[-1]) if works else story.outcome_phrase(outcomes[-1])
        return TraceAnswer(picture=False, sentence=f"{subject} has no picture: {phrase}.")
    answer, shown = (
        with_picture(subject, last, timeline),
        shown_outcome(one for one in timeline.outcomes if one.slot == slot),
    )
    if shown is None or shown.request_id == last.request_id:
        return answer
    other = f" The slot shows the picture of request {shown.request_id}, revision {shown.revision}."
    return TraceAnswer(answer.picture, answer.sentence + other)


def _nothing(timeline: Timeline) -> str:
    return f"Nothing was ever published under the key {timeline.article}: no record of it is {_scope(timeline)}."


def _scope(timeline: Timeline) -> str:
    since = timeline.search.since_ms
    held = f"since {format_time_ms(since)}" if since else "as far back as they go"
    count = len(timeline.search.partitions)
    where = f"any of the {count} partitions of the topics" if count > 1 else "the one partition of the topics"
    return f"in {where}, {held}"
