"""The picture that a slot shows, in words: which, since when, and whether its files are in the store. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from consumer.admin.dead_letters.dead_letter import format_time_ms
from consumer.admin.trace.timeline import FileState, StoreFacts, Timeline, TracedOutcome, TracedPicture

_NAMED: Final = 3
"""Missing renditions that a sentence names."""


@dataclass(frozen=True, slots=True)
class TraceAnswer:
    """Whether there is a picture with all its files, as far as that is known, and the sentence that says so."""

    picture: bool
    sentence: str


def with_picture(subject: str, outcome: TracedOutcome, timeline: Timeline) -> TraceAnswer:
    """Return what is to be said of a slot, the `subject`, that shows a ready outcome."""
    store = timeline.store
    about = f"announced {format_time_ms(outcome.ms)} for revision {outcome.revision}"
    chosen = ", chosen by an editor" if "chosen" in outcome.flags else ""
    if not outcome.pictures:
        return TraceAnswer(picture=False, sentence=f"{subject} has no picture: the outcome {about} names none.")
    states = [store.state(picture.master.key) for picture in outcome.pictures]
    lost = [_lost(picture, state) for picture, state in zip(outcome.pictures, states, strict=True) if _is_lost(state)]
    if lost:
        return TraceAnswer(
            picture=False,
            sentence=f"{subject} has no picture: it was {about}, but {'; '.join(lost)}. A replay paints it again: "
            f"leadart replay --from 7d --article {timeline.article} --execute.",
        )
    which = f"its picture: {_where(outcome.pictures[0])}"
    if len(outcome.pictures) > 1:
        which = f"its {len(outcome.pictures)} pictures, the first at {_where(outcome.pictures[0])}"
    missing, unknown = _missing_renditions(outcome, store), FileState.UNKNOWN in states
    return TraceAnswer(
        not missing, f"{subject} has {which}, {about}{chosen}.{missing}{_not_known(store) if unknown else ''}"
    )


def _where(picture: TracedPicture) -> str:
    return picture.url or picture.master.key


def _is_lost(state: FileState) -> bool:
    return state in {FileState.GONE, FileState.DAMAGED}


def _lost(picture: TracedPicture, state: FileState) -> str:
    how = "is gone from the store" if state is FileState.GONE else "is damaged in the store"
    return f"{picture.master.key} {how}"


def _missing_renditions(outcome: TracedOutcome, store: StoreFacts) -> str:
    files = [file for picture in outcome.pictures for file in picture.files[1:]]
    lost = [(file, state) for file in files if _is_lost(state := store.state(file.key))]
    if not lost:
        return ""
    named = ", ".join(f"{file.name} ({state})" for file, state in lost[:_NAMED])
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    return f" But the store lacks {len(lost)} of its {len(files)} renditions: {named}{more}."


def _not_known(store: StoreFacts) -> str:
    why = store.problem or "it was not looked up"
    return f" Whether its file is still in the store is not known: {why.rstrip('. ')}."
