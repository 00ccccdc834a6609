"""What all commands share: options, loading settings, and printing."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console, Group
from rich.measure import Measurement
from rich.progress import Progress
from rich.table import Table

from consumer.delivery.ports import BusError
from consumer.errors import LeadartError
from consumer.settings import LogSettings, load_settings, unknown_variables
from consumer.settings.time_spans import parse_time_span
from consumer.telemetry.logs import configure_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from consumer.settings import Settings

_Value = TypeVar("_Value")

EnvFile = Annotated[
    Path | None,
    typer.Option(help="File with LEADART_* settings; the environment takes precedence.", exists=True, dir_okay=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Execute = Annotated[bool, typer.Option("--execute", help="Apply the changes (default: dry run).")]

DRY_RUN = "dry run: nothing was changed; add --execute to apply the changes"


def parsed(parse: Callable[[str], _Value], text: str) -> _Value:
    """Parse an option. Raises `typer.BadParameter` with the error's sentence."""
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def time_span(text: str | timedelta) -> timedelta:
    """Parse an option's time span, or keep its default."""
    return text if isinstance(text, timedelta) else parsed(parse_time_span, text)


_WIDEST = 1000
_JOINERS = "\u200c\u200d"


class PlainConsole(Console):
    """Prints text as it is: output holds paths and people's texts, and square brackets in it are not markup."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """Raise the error: rich's `SystemExit` would break out of the event loop, past what has to be ended first."""
        raise  # noqa: PLE0704 - rich calls this where it caught the error


console = PlainConsole()
complaints = PlainConsole(stderr=True)


def settings_from(env_file: Path | None, *, logging_to_stdout: bool = False) -> Settings:
    """Load settings. If some are invalid, print each with what was expected, and raise `typer.Exit`."""
    try:
        settings = load_settings(env_file)
    except (ValidationError, SettingsError, UnicodeDecodeError) as error:
        for sentence in _complaints(error):
            complain(sentence)
        raise typer.Exit(2) from error
    for name, nearest in unknown_variables(env_file).items():
        complain(f"{name} is not a setting and is ignored{f': did you mean {nearest}?' if nearest else ''}")
    # A command's output is for its reader; its log is not, unless something is wrong. What is wrong with Kafka it says
    # in a sentence of its own.
    if logging_to_stdout:
        configure_logs(settings.log)
    else:
        configure_logs(LogSettings(level="warning"), sys.stderr, silent=["aiokafka"])
    return settings


def _complaints(error: ValidationError | SettingsError | UnicodeDecodeError) -> Iterator[str]:
    if isinstance(error, UnicodeDecodeError):
        yield "The file given with --env-file is not UTF-8: save it as UTF-8."
    elif isinstance(error, SettingsError):
        yield f"{error}. A group is not a setting: set LEADART_LOG__LEVEL, for example, not LEADART_LOG."
    else:
        for problem in error.errors():
            name = "LEADART_" + "__".join(str(part).upper() for part in problem["loc"])
            yield f"{name}: {problem['msg']}"


@contextmanager
def share_bar(what: str) -> Iterator[Callable[[float], None]]:
    """Show a progress bar on standard error if it is a terminal; what is yielded sets the share that is done."""
    with Progress(console=complaints, transient=True, disable=not complaints.is_terminal) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def complain(sentence: str) -> None:
    """Print a sentence to stderr; never wrapped, so that it can be searched for."""
    complaints.print(f"leadart: {sentence}", style="red", soft_wrap=True)


def sentence_of(error: BaseException) -> str | None:
    """Return the first sentence meant for people in an error or a group; None if a defect is among them."""
    if isinstance(error, BaseExceptionGroup):
        sentences = [sentence_of(inner) for inner in error.exceptions]
        return None if None in sentences else sentences[0]
    if isinstance(error, LeadartError):
        return f"{error.message} ({error.reason})"
    if isinstance(error, BusError):
        return f"Kafka does not answer: {error}{'' if str(error).endswith(('.', '?')) else '.'}"
    if isinstance(error, OSError) and error.filename is not None:  # a file that a person named; sockets have no name
        return f"{error.filename}: {error.strerror}"
    return None


def say(line: str) -> None:
    """Print a line as it is, not wrapped."""
    console.print(line, soft_wrap=True)


def lay_out(shown: RenderableType) -> None:
    """Print tables as wide as their cells, whatever the terminal's width: figures are never cut."""
    wide = console.options.update(max_width=_WIDEST)
    tables = [part for part in (shown.renderables if isinstance(shown, Group) else [shown]) if isinstance(part, Table)]
    needed = [Measurement.get(console, wide, table).maximum for table in tables]
    PlainConsole(width=max(console.width, *needed, 0)).print(shown)


def printable(text: str) -> str:
    """Return text from outside with control characters and text direction marks escaped.

    The zero-width joiners stay: words, and so article ids, are spelled with them, and are copied from a terminal.
    """
    return "".join(
        character if character.isprintable() or character in _JOINERS else character.encode("unicode_escape").decode()
        for character in text
    )
