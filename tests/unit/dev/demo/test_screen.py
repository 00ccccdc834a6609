from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from consumer.dev.demo.articles import ArticleSave, load_edition
from consumer.dev.demo.screen import fitted, open_screen, result_table
from consumer.dev.demo.tickets import EditionDesk, SaveTicket
from consumer.processing.styles import Styles
from schemas import ImageProgress
from tests.unit.dev.demo.conftest import answers_to


def _console(*, terminal: bool, width: int = 110) -> tuple[Console, StringIO]:
    written = StringIO()
    return Console(file=written, force_terminal=terminal, color_system=None, width=width, height=40), written


def _progress(ticket: SaveTicket, **fields: Any) -> None:
    ticket.published = 0.0
    article = {"id": ticket.save.key, "revision": 1}
    ticket.progress = ImageProgress.model_validate({"request_id": "r", "article": article, "slot": "hero", **fields})


def _painting(ticket: SaveTicket, step: int) -> None:
    _progress(ticket, stage="step", step=step, of=12, index=1)


def test_without_a_terminal_each_stage_is_one_line(styles: Styles) -> None:
    """Lines for published, queued, painting and the outcome, with a count; steps alone are silent."""
    desk = EditionDesk(load_edition())
    console, written = _console(terminal=False)
    lead = desk.tickets[0]
    with open_screen(console, desk) as screen:
        screen.changed(lead)
        for stage in ("accepted", "started"):
            _progress(lead, stage=stage)
            screen.changed(lead)
        for step in (1, 2, 3):
            _painting(lead, step)
            screen.changed(lead)
        desk.take(answers_to(lead.save, styles)[0])
        screen.changed(lead)
    lines = [line.split()[:2] for line in written.getvalue().splitlines()]

    assert lines == [["0/14", "published"], ["0/14", "queued"], ["0/14", "painting"], ["1/14", "ready"]]
    assert "(4 pictures" in written.getvalue()


def test_on_a_terminal_there_is_a_row_for_each_save() -> None:
    """The live table shows the step, of how many, and of which picture; what waits at the engine is queued."""
    desk = EditionDesk(load_edition())
    console, written = _console(terminal=True)
    with open_screen(console, desk) as screen:
        _painting(desk.tickets[0], 7)
        _progress(desk.tickets[1], stage="started", index=0)
        screen.changed(desk.tickets[0])

    assert "step 7 of 12 of picture 2" in written.getvalue()
    assert "queued" in written.getvalue()
    assert "not saved yet" in written.getvalue()


def test_the_last_table_tells_every_outcome(desk: EditionDesk) -> None:
    """Article, outcome, pictures and seconds, one row for each save, also on 80 columns."""
    console, written = _console(terminal=False, width=80)
    console.print(result_table(desk, console.width))
    rows = written.getvalue().splitlines()

    assert len(rows) == 1 + len(desk.tickets)
    assert rows[0].split() == ["article", "rev", "outcome", "pictures", "seconds"]
    assert rows[1].split()[-5:] == ["harbour", "1", "ready", "4", "1.2"]
    assert any("failed, invalid_field" in row for row in rows)
    assert any("ready, reused" in row for row in rows)


def test_a_headline_is_no_command_to_the_terminal() -> None:
    """Square brackets of a headline are shown, not obeyed."""
    first = load_edition()[0]
    article = {**first.article, "headline": "[red]Storm[/red]"}
    desk = EditionDesk([ArticleSave({**first.request, "article": article}, first.expected)])
    console, written = _console(terminal=False)
    console.print(result_table(desk, console.width))
    with open_screen(console, desk) as screen:
        screen.changed(desk.tickets[0])

    assert written.getvalue().count("[red]Storm[/red]") == 2


def test_a_pipe_gets_wide_lines() -> None:
    """Where there is no terminal, tables are not squeezed into 80 columns."""
    assert fitted(_console(terminal=False, width=80)[0]).width == 120
    assert fitted(_console(terminal=True, width=80)[0]).width == 80
