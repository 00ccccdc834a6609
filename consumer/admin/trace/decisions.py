"""What an editor decided about a slot that shows no picture, in decisions. Pure."""

from __future__ import annotations

from typing import Final

from consumer.admin.dead_letters.dead_letter import format_time_ms
from consumer.admin.trace.phrases import SlotStory, bare
from consumer.admin.trace.shown import is_decision
from consumer.admin.trace.timeline import TracedOutcome
from consumer.admin.trace.works import CHOSEN, RESTORED, WITHDRAWN, TracedWork
from schemas import OutcomeKind

NOTHING_SINCE: Final = ", but nothing was asked for since: publish a request"


def decision_phrase(story: SlotStory, decision: TracedOutcome) -> str:
    """Return why a slot shows nothing by an editor's last `decision`, and what was asked for since."""
    if decision.kind == OutcomeKind.WITHDRAWN:
        return _taken_down(story, decision)
    choices = [one for one in story.works if one.request.kind == CHOSEN and one.outcome is not None]
    declared = [one for one in choices if not one.request.lets_go]
    since = format_time_ms(declared[-1].request.ms if declared else decision.ms)
    own, newest = f"an editor declared a picture of the site's own {since}", story.newest
    later = "" if newest is None or _is_decision(newest) else f"; {story.tell(newest)}"
    if choices and choices[-1].request.lets_go:
        return f"{own}, and let go of it {format_time_ms(choices[-1].request.ms)}{later or NOTHING_SINCE}"
    release = f"leadart choose {story.article} --slot {decision.slot} --let-go --execute"
    return f"{own}, and leadart stays out of the slot until an editor lets go of it ({release}){later}"


def _is_decision(work: TracedWork) -> bool:
    """Return whether a request came to nothing but what the editor decided."""
    return work.outcome is not None and is_decision(work.outcome)


def _taken_down(story: SlotStory, decision: TracedOutcome) -> str:
    taken = next((one for one in reversed(story.works) if one.request.kind == WITHDRAWN and one.outcome), None)
    outcome = taken.outcome if taken is not None and taken.outcome is not None else decision
    said = f" ({bare(outcome.message)})" if outcome.message else ""
    down, newest = f"it was taken down {format_time_ms(outcome.ms)}{said}", story.newest
    restored = _restored_since(story, taken)
    if restored is None:
        later = f"; {story.tell(newest)}" if newest is not None and newest is not taken else ""
        slot = f" --slot {taken.request.slot}" if taken is not None and taken.request.slot else ""
        return f"{down}, and stays so until it is restored (leadart restore {story.article}{slot} --execute){later}"
    back = f"{down}, and restored {format_time_ms(restored.request.ms)}"
    if newest is None or newest is taken or newest.request.ms < restored.request.ms:
        return f"{back}{NOTHING_SINCE}"
    return f"{back}; {story.tell(newest)}"


def _restored_since(story: SlotStory, taken: TracedWork | None) -> TracedWork | None:
    """Return the last restoration that took effect after the withdrawal, if there is one."""
    since = taken.request.ms if taken is not None else 0
    restored = [one for one in story.works if one.request.kind == RESTORED and one.request.ms >= since]
    return next((one for one in reversed(restored) if one.is_silent), None)
