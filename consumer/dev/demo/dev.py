"""`leadart dev`: the demo's stack, kept up for someone who connects a CMS."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from rich.text import Text

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.processes import Worker, running
from consumer.dev.demo.room import MARK, take_away
from consumer.dev.demo.stack import open_stack
from consumer.kafka.announced import parse_announced
from consumer.kafka.cms_client import open_subscriber
from schemas import names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console

    from consumer.dev.demo.stack import Plan, Stack
    from consumer.jobs import Record
    from consumer.kafka.cms_client import CmsSubscriber

_LISTEN_SECONDS = 0.5


async def run_dev(plan: Plan, env_file: Path | None, console: Console, *, with_worker: bool) -> int:
    """Keep the stack up until cancelled, and tell of every outcome.

    The settings are in `env_file` (else `leadart.env` in the plan's folder) from the moment all is ready until the end.
    Raises `Fatal` or `BusError` when a part cannot be had, the file is somebody else's, or the worker dies.
    """
    clock = monotonic()
    env_file = env_file or plan.folder / "leadart.env"
    take_away(env_file)  # whoever waits for it must not find that of an earlier run
    article = _write_article(plan.folder)

    def tell(text: str) -> None:
        console.print(Text(text), soft_wrap=True)

    async with AsyncExitStack() as ends:
        stack = await ends.enter_async_context(open_stack(plan, tell))
        worker = await _worker(ends, plan, stack) if with_worker else None
        subscriber = await ends.enter_async_context(open_subscriber(stack.settings))
        settings = stack.environment | ({"LEADART_HTTP__PORT": worker.port} if worker else {})
        ends.callback(take_away, env_file)
        write_settings(env_file, settings)
        tell(_instructions(settings, env_file, article, worker))
        tell(f"ready after {monotonic() - clock:.1f} s; Ctrl-C ends everything")
        await _tell_outcomes(subscriber, tell, worker)
    return 0


async def _worker(ends: AsyncExitStack, plan: Plan, stack: Stack) -> Worker:
    worker = Worker(plan.folder, stack.environment)
    worker.log.unlink(missing_ok=True)
    await ends.enter_async_context(running(worker, worker.stop, stack.start_seconds))
    return worker


def _write_article(folder: Path) -> Path:
    """Leave a request to play with, unless there is one that somebody has played with."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "article.json"
    if file.exists():
        return file
    request = load_edition()[0].request
    sample = {**request, "article": {**request["article"], "id": "sample-1"}}
    file.write_text(json.dumps(sample, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def write_settings(file: Path, settings: Mapping[str, str]) -> None:
    """Write the file in one piece, for our eyes only: it holds the store's keys."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text("".join(f"{line}\n" for line in [MARK, *_lines(settings)]), encoding="utf-8")
    draft.replace(file)


def _lines(settings: Mapping[str, str]) -> list[str]:
    return [f"{name}={_quoted(value)}" for name, value in settings.items()]


def _quoted(value: str) -> str:
    """Quote what needs it as both a shell and python-dotenv read it: an apostrophe is safe in double quotes only."""
    if re.fullmatch(r"[\w@%+=:,./-]+", value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _instructions(settings: Mapping[str, str], env_file: Path, article: Path, worker: Worker | None) -> str:
    leadart = _own_command()
    publish = shlex.join([leadart, "publish", "--env-file", str(env_file), str(article)])
    if worker:
        told = f"{worker.address}/readyz  {worker.address}/metrics  log {worker.log}"
    else:
        told = shlex.join([leadart, "worker", "--env-file", str(env_file)])
    return "\n".join(
        [
            "",
            f"Settings, also in {env_file}:",
            "",
            *_lines(settings),
            "",
            f"Worker:   {told}",
            f"Publish:  {publish}",
            f"Look:     {shlex.join([leadart, 'lag', '--env-file', str(env_file)])} (or doctor, generate, ...)",
            "",
        ]
    )


def _own_command() -> str:
    """Return how this program is called here: by name when the shell finds it, else by its path."""
    own = Path(sys.executable).with_name("leadart")
    found = shutil.which("leadart")
    return "leadart" if found and Path(found) == own else str(own)


async def _tell_outcomes(subscriber: CmsSubscriber, tell: Callable[[str], None], worker: Worker | None) -> None:
    """Tell of outcomes for ever. Raises `Fatal` when the worker ends by itself."""
    while True:
        for record in await subscriber.read(_LISTEN_SECONDS):
            if record.topic.endswith(names.OUTCOME):
                tell(tell_outcome(record))
        if worker:
            worker.check()


def tell_outcome(record: Record) -> str:
    """Return an outcome as a line, and its pictures' addresses below."""
    event = parse_announced(record)
    return "a record that is no event" if event is None else "\n  ".join([event.sentence, *event.urls])
