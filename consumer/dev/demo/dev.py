"""`leadart dev`: the demo's stack, kept up for someone who connects a CMS."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.text import Text

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.gateway import DevGateway, open_dev_gateway
from consumer.dev.demo.processes import WorkerProcess
from consumer.dev.demo.screen import WAITING
from consumer.dev.demo.seeding import EditionSeeding
from consumer.dev.demo.stack import Stack, StackPlan, open_stack
from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.kafka.announced import AnnouncedEvent, parse_announced
from consumer.kafka.cms_client import CmsSubscriber, open_publisher, open_subscriber
from consumer.settings import given_variables
from schemas import Reason, names

_LISTEN_SECONDS = 0.5
_IDLE = "waiting for requests"
MARK = "# Written by leadart dev, which removes it when it ends."
"""First line of the settings file."""


class Listening:
    """Prints outcomes as lines. Progress is a live line below them on a terminal, elsewhere a line once it is painted.

    Use it as a context, which draws the live line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status(_IDLE) if console.is_terminal else None
        self._painting: dict[str, AnnouncedEvent] = {}

    def __enter__(self) -> None:
        if self._status:
            self._status.start()

    def __exit__(self, *exc_info: object) -> None:
        if self._status:
            self._status.stop()

    def show(self, record: Record) -> None:
        """Show a record of the outcome or progress topic; others are passed over."""
        event = parse_announced(record)
        if event and event.type == names.IMAGE_PROGRESS:
            if event.data.get("stage") in WAITING:
                return
            if event.request_id not in self._painting and not self._status:
                self._print(f"painting: {event.article} revision {event.revision}")
            self._painting[event.request_id] = event
        elif record.topic.endswith(names.OUTCOME):
            if event:
                self._painting.pop(event.request_id, None)
            self._print("\n  ".join([event.sentence, *event.urls]) if event else "a record that is no event")
        self._update()

    def _update(self) -> None:
        if self._status:
            steps = (f"{event.article} ({event.result})" for event in self._painting.values())
            self._status.update(Text(f"painting {'; '.join(steps)}" if self._painting else _IDLE))

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


async def run_dev(
    plan: StackPlan, env_file: Path | None, console: Console, *, with_worker: bool, with_edition: bool = False
) -> int:
    """Keep the stack and a gateway up until cancelled, and print every outcome.

    `with_edition` publishes the demo's saves at the start, for the desk to have something to show.

    The settings are in `env_file` (else `leadart.env` in the plan's folder) from the moment all is ready until the end.
    Raises `Fatal` or `BusError` when a part does not start, the file is not from `leadart dev`, or a process dies.
    """
    clock = monotonic()
    env_file = env_file or plan.folder / "leadart.env"
    remove_settings(env_file)  # an earlier run's must not be mistaken for this one's
    article = _write_article(plan.folder)
    report = partial(_report, console)
    async with AsyncExitStack() as ends:
        stack = await ends.enter_async_context(open_stack(plan, report, with_worker=with_worker))
        gateway = await ends.enter_async_context(open_dev_gateway(plan.folder, stack.environment, report))
        worker = await _worker(stack, report) if with_worker else None
        subscriber = await ends.enter_async_context(open_subscriber(stack.settings))
        seeding = await ends.enter_async_context(_seeding(stack, with_edition=with_edition))
        settings = _settings_of(stack, worker, gateway)
        ends.callback(remove_settings, env_file)
        write_settings(env_file, settings)
        report(_instructions(settings, env_file, article, worker, gateway))
        report(f"ready after {monotonic() - clock:.1f} s; Ctrl-C ends everything")
        ends.callback(lambda: report(farewell(plan)))
        watched = [stack.check, *([gateway.process.check] if gateway else [])]
        await _listen(subscriber, Listening(console), seeding, watched, plan)
    return 0


async def _worker(stack: Stack, report: Callable[[str], None]) -> WorkerProcess:
    """Return the worker once it is ready, which may take a minute in which nothing else is said."""
    report("waiting for the worker, which loads its model")
    return await stack.worker()


def _settings_of(stack: Stack, worker: WorkerProcess | None, gateway: DevGateway | None) -> dict[str, str]:
    """Return what programs need to find everything and go by the worker's rules, which may be in our environment."""
    settings = {**given_variables(), **stack.environment, **(gateway.settings if gateway else {})}
    return {**settings, "LEADART_HTTP__PORT": worker.port} if worker else settings


@asynccontextmanager
async def _seeding(stack: Stack, *, with_edition: bool) -> AsyncIterator[EditionSeeding | None]:
    if not with_edition:
        yield None
        return
    async with open_publisher(stack.settings) as publisher:
        yield EditionSeeding(load_edition(), publisher)


def _report(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def farewell(plan: StackPlan) -> str:
    """Return what becomes of the data when the stack ends."""
    own = [name for name, given in (("Kafka", plan.bootstrap_servers), ("the store", plan.endpoint_url)) if not given]
    if not own:
        return "Stopping; the data in Kafka and the store stay there."
    if plan.keep:
        return f"Stopping; the data of {' and '.join(own)} stay in {plan.keep}; the same command goes on with them."
    return f"Stopping; the data of {' and '.join(own)} are deleted. To keep them next time, give --keep FOLDER."


def _write_article(folder: Path) -> Path:
    """Write a sample request, unless there is one, which may have been edited."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "article.json"
    if file.exists():
        return file
    request = load_edition()[0].request
    sample = {**request, "article": {**request["article"], "id": "sample-1"}}
    file.write_text(json.dumps(sample, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def _instructions(
    settings: Mapping[str, str],
    env_file: Path,
    article: Path,
    worker: WorkerProcess | None,
    gateway: DevGateway | None,
) -> str:
    leadart = _own_command()
    publish = shlex.join([leadart, "publish", "--env-file", str(env_file), str(article)])
    if worker:
        where = f"{worker.address}/readyz  {worker.address}/metrics  log {worker.log}"
    else:
        where = shlex.join([leadart, "worker", "--env-file", str(env_file)])
    return "\n".join(
        [
            "",
            f"Settings, also in {env_file}:",
            "",
            *setting_lines(settings),
            "",
            f"Worker:   {where}",
            f"Publish:  {publish}",
            f"Inspect:  {shlex.join([leadart, 'lag', '--env-file', str(env_file)])} (or doctor, generate, ...)",
            *([f"Desk:     {gateway.desk}"] if gateway else []),
            "",
        ]
    )


def _own_command() -> str:
    """Return this program's name if the shell finds it, else its path."""
    own = Path(sys.executable).with_name("leadart")
    found = shutil.which("leadart")
    return "leadart" if found and Path(found) == own else str(own)


async def _listen(
    subscriber: CmsSubscriber,
    listening: Listening,
    seeding: EditionSeeding | None,
    watched: Sequence[Callable[[], None]],
    plan: StackPlan,
) -> None:
    """Print outcomes forever. Raises `Fatal`, saying what to do, when one of the processes has ended by itself."""
    with listening:
        while True:
            if seeding:
                await seeding.publish_due()
            for record in await subscriber.read(_LISTEN_SECONDS):
                listening.show(record)
                if seeding:
                    seeding.take(record)
            try:
                for check in watched:
                    check()
            except Fatal as error:
                what = "its data are kept" if plan.keep else "data that were not kept with --keep FOLDER are gone"
                raise Fatal(error.reason, f"{error.message}\nRun `leadart dev` again: {what}.") from error


def write_settings(file: Path, settings: Mapping[str, str]) -> None:
    """Write the file atomically, readable by its owner only: it holds the store's keys."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text("".join(f"{line}\n" for line in [MARK, *setting_lines(settings)]), encoding="utf-8")
    draft.replace(file)


def remove_settings(file: Path) -> None:
    """Remove a settings file that an earlier run or this one wrote. Raises `Fatal` for any other file."""
    try:
        written = file.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refused(f"{file}: {error.strerror}") from error
    if not written.startswith(MARK.encode()):
        raise _refused(f"{file} is there and was not written by leadart dev, which writes its settings to it")
    file.unlink()


def setting_lines(settings: Mapping[str, str]) -> list[str]:
    """Return the settings as lines that both a shell and python-dotenv read."""
    return [f"{name}={_quoted(value)}" for name, value in settings.items()]


def _quoted(value: str) -> str:
    """Quote where needed: an apostrophe is safe in double quotes only."""
    if re.fullmatch(r"[\w@%+=:,./-]+", value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refused(what: str) -> Fatal:
    return Fatal(Reason.MISCONFIGURED, f"{what}. Name another file with --env-file.")
