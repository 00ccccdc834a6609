"""The root of the command line: all commands, in the order of its help, and how errors are reported."""

import sys
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from consumer import __version__
from consumer.cli import bench, dead_letters, doctor, heads, keys, policy, replay, simulate, store, topics
from consumer.cli.decide import choose, restore, withdraw
from consumer.cli.demo import demo, dev
from consumer.cli.gateway import gateway
from consumer.cli.lag import lag
from consumer.cli.outcomes import outcomes
from consumer.cli.pause import pause, resume
from consumer.cli.publish import publish
from consumer.cli.renditions import crop, renditions
from consumer.cli.shared import complain, console, sentence_of
from consumer.cli.streams import standard_streams
from consumer.cli.studio import generate, styles
from consumer.cli.trace import trace
from consumer.cli.worker import worker
from consumer.delivery.ports import BusError
from consumer.errors import LeadartError

_WITHOUT_DEV = (
    "demo, dev, bench and simulate are developer tools, and the worker's container image leaves them out: "
    "run them from pip install 'leadart[embedded]' (for bench also [bench] or [engine])."
)


class PlainHelp(TyperGroup):
    """The whole command tree, its help read as plain text: rich would take `leadart[bench]` for markup and drop it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        _escape_help(self)


def _escape_help(command: Any) -> None:
    for described in (command, *command.params):
        described.help = escape(described.help or "")
    for inner in getattr(command, "commands", {}).values():
        _escape_help(inner)


app = typer.Typer(
    cls=PlainHelp,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Event-driven pictures: a CMS saves an article, leadart paints its picture and announces it.",
)
_SINGLE = (worker, gateway, demo, dev, publish, outcomes, trace, choose, withdraw, restore, lag, pause, resume)
_WITHOUT_KAFKA = (styles, generate, renditions, crop)
for command in (*_SINGLE, *_WITHOUT_KAFKA):
    app.command()(command)
app.add_typer(replay.commands, name="replay")
app.add_typer(simulate.commands, name="simulate")
app.add_typer(doctor.commands, name="doctor")
app.add_typer(topics.commands, name="topics")
app.add_typer(heads.commands, name="heads")
app.add_typer(keys.commands, name="keys")
app.add_typer(policy.commands, name="policy")
app.add_typer(store.commands, name="store")
app.add_typer(dead_letters.commands, name="dead-letters")
app.add_typer(bench.commands, name="bench")


def main() -> None:
    """Run the command line. An error that a person can act on is one sentence on stderr and exit status 1."""
    with standard_streams():
        _run()


def _run() -> None:
    try:
        app()
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("consumer.dev"):
            raise
        complain(_WITHOUT_DEV)
        sys.exit(1)
    except (LeadartError, BusError, OSError, BaseExceptionGroup) as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        complain(sentence)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Print the version."""
    if version:
        console.print(__version__)
        raise typer.Exit
