"""`python -m consumer.dev.bench.engine`: `leadart bench engine` where there is torch, diffusers and pydantic alone.

It reads no settings from the environment: what differs from their defaults is an option.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from consumer.dev.bench.engine.budget import Budget
from consumer.dev.bench.engine.files import DEFAULT_FILE, ResultFiles
from consumer.dev.bench.engine.plan import EnginePlan, PictureShape, RandomModel
from consumer.dev.bench.machine import engine_machine
from consumer.errors import Fatal
from consumer.settings import EngineSettings


def parser() -> argparse.ArgumentParser:
    """Return the parser; its options are those of `leadart bench engine`."""
    made = argparse.ArgumentParser(prog="python -m consumer.dev.bench.engine", description=__doc__)
    made.add_argument("--model", type=Path, help="folder of the pipeline")
    made.add_argument("--random", choices=list(RandomModel), help="random weights: tiny, or the full 6.15 billion")
    made.add_argument("--budget", type=float, help="seconds; parts that do not fit are left out, the bars come first")
    made.add_argument("--out", type=Path, default=DEFAULT_FILE, help="JSON as it is measured, its table beside it")
    made.add_argument("--shapes", type=_list_of(PictureShape.parse), default=(), help="such as 512x512x12x2.0,…")
    made.add_argument("--batches", type=_list_of(_positive), default=(1, 4, 8), help="batch sizes for each shape")
    made.add_argument("--mixed", type=int, default=64, help="number of mixed requests")
    made.add_argument("--rounds", type=_positive, default=3, help="rounds per side")
    made.add_argument("--threads", type=int, default=0, help="CPU threads; 0: torch decides")
    made.add_argument("--device", default="auto", help="such as cuda:0")
    made.add_argument("--compile", action=argparse.BooleanOptionalAction, help="compiled sides; default: on a GPU")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for; return the exit status: 1 if a part failed or the model cannot be used."""
    asked = parser().parse_args(arguments)
    budget = Budget(asked.budget)
    settings = EngineSettings(model=asked.model, threads=asked.threads, devices=asked.device)
    random = RandomModel(asked.random) if asked.random else None
    plan = EnginePlan(settings, random, asked.shapes, asked.batches, asked.rounds, asked.mixed, asked.compile)
    files = ResultFiles(
        asked.out, shlex.join(["python", "-m", "consumer.dev.bench.engine", *(arguments or sys.argv[1:])])
    )
    from consumer.dev.bench.engine.measure import measure_engine  # noqa: PLC0415 - seconds of imports, in the budget

    try:
        result = measure_engine(plan, engine_machine(), _say, files.write, budget)
    except Fatal as error:
        _say(error.message)
        return 1
    print(files.page.read_text(encoding="utf-8"))  # noqa: T201 - its output
    return 1 if result.failed else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - its output


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(f"{text} is less than 1")
    return number


def _list_of(parse: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Return a parser of such values, separated by commas."""

    def values(text: str) -> tuple[Any, ...]:
        try:
            return tuple(parse(each) for each in text.split(",") if each)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return values


if __name__ == "__main__":
    sys.exit(main())
