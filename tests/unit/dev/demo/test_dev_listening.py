from __future__ import annotations

from io import StringIO

from rich.console import Console

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.dev import Listening
from consumer.jobs import Record
from consumer.processing.styles import Styles
from schemas import Announcement, ImageProgress, ImageSuperseded, names
from schemas.cloudevents import Event, write
from tests.unit.dev.demo.conftest import answers_to

ABOUT = {"request_id": "r-1", "article": {"id": "a-1", "revision": 2}, "slot": "hero"}


def test_outcomes_show_what_a_developer_needs(styles: Styles) -> None:
    """A ready one with its addresses, a failed one with its sentence."""
    console = Console(file=StringIO(), width=200)
    listening = Listening(console)
    for save in load_edition():
        for record in answers_to(save, styles):
            listening.show(record)

    lines = _lines(console)
    assert lines[0].startswith("ready: a-1042 revision 1")
    assert all(line.startswith("  http://127.0.0.1") for line in lines[1:5])
    assert any(line.startswith("ready, reused: a-1050") for line in lines)
    assert any(line.startswith("failed: a-1090 revision 1: invalid_field: `output.width`") for line in lines)


def test_progress_is_one_line_for_a_request_where_there_is_no_terminal() -> None:
    """Once it is painted: steps are no lines; the outcome follows, and a record that is no event is shown as that."""
    console = Console(file=StringIO(), width=200)
    listening = Listening(console)
    with listening:
        for stage in ("accepted", "started"):
            listening.show(_record(_event(ImageProgress.model_validate({**ABOUT, "stage": stage})), names.PROGRESS))
        assert _lines(console) == []
        for step in (1, 2):
            progress = ImageProgress.model_validate({**ABOUT, "stage": "step", "step": step, "of": 12})
            listening.show(_record(_event(progress), names.PROGRESS))
        superseded = ImageSuperseded.model_validate({**ABOUT, "superseded_by": {"revision": 3}})
        listening.show(_record(_event(superseded), names.OUTCOME))
        listening.show(Record(names.OUTCOME, 0, 7, b"a-1", b"{", (), 0))

    assert _lines(console) == [
        "painting: a-1 revision 2",
        "superseded: a-1 revision 2: superseded by revision 3",
        "a record that is no event",
    ]


def test_a_terminal_shows_every_step() -> None:
    """One line below the outcomes moves with the steps."""
    console = Console(file=StringIO(), width=200, force_terminal=True)
    listening = Listening(console)
    with listening:
        progress = ImageProgress.model_validate({**ABOUT, "stage": "step", "step": 5, "of": 12})
        listening.show(_record(_event(progress), names.PROGRESS))

    assert "a-1 (step 5 of 12)" in "\n".join(_lines(console))


def _event(data: Announcement) -> Event:
    extensions = {"causationid": "r-1"}
    return Event(id="e", source="/leadart", type=data.type, data=data.model_dump(mode="json"), extensions=extensions)


def _record(event: Event, topic: str) -> Record:
    headers, value = write(event)
    return Record(topic, 0, 1, b"a-1", value, tuple(headers), 0)


def _lines(console: Console) -> list[str]:
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]
