"""`leadart dev`: the demo's stack, kept up for someone who connects a CMS."""

import json
import shlex
import shutil
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.text import Text

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.env_file import remove_settings, setting_lines, write_settings
from consumer.dev.demo.listening import Listening
from consumer.dev.demo.processes import WorkerProcess
from consumer.dev.demo.stack import Stack, StackPlan, open_stack
from consumer.errors import Fatal
from consumer.kafka.cms_client import CmsSubscriber, open_subscriber

_LISTEN_SECONDS = 0.5


async def run_dev(plan: StackPlan, env_file: Path | None, console: Console, *, with_worker: bool) -> int:
    """Keep the stack up until cancelled, and print every outcome.

    The settings are in `env_file` (else `leadart.env` in the plan's folder) from the moment all is ready until the end.
    Raises `Fatal` or `BusError` when a part does not start, the file is not from `leadart dev`, or a process dies.
    """
    clock = monotonic()
    env_file = env_file or plan.folder / "leadart.env"
    remove_settings(env_file)  # an earlier run's must not be mistaken for this one's
    article = _write_article(plan.folder)

    def report(text: str) -> None:
        console.print(Text(text), soft_wrap=True)

    async with AsyncExitStack() as ends:
        stack = await ends.enter_async_context(open_stack(plan, report, with_worker=with_worker))
        worker = await stack.worker() if with_worker else None
        subscriber = await ends.enter_async_context(open_subscriber(stack.settings))
        settings = stack.environment | ({"LEADART_HTTP__PORT": worker.port} if worker else {})
        ends.callback(remove_settings, env_file)
        write_settings(env_file, settings)
        report(_instructions(settings, env_file, article, worker))
        report(f"ready after {monotonic() - clock:.1f} s; Ctrl-C ends everything")
        ends.callback(lambda: report(farewell(plan)))
        await _listen(subscriber, console, stack, plan)
    return 0


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


def _instructions(settings: Mapping[str, str], env_file: Path, article: Path, worker: WorkerProcess | None) -> str:
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
            "",
        ]
    )


def _own_command() -> str:
    """Return this program's name if the shell finds it, else its path."""
    own = Path(sys.executable).with_name("leadart")
    found = shutil.which("leadart")
    return "leadart" if found and Path(found) == own else str(own)


async def _listen(subscriber: CmsSubscriber, console: Console, stack: Stack, plan: StackPlan) -> None:
    """Print outcomes forever. Raises `Fatal`, saying what to do, when the worker or a server has ended by itself."""
    listening = Listening(console)
    with listening:
        while True:
            for record in await subscriber.read(_LISTEN_SECONDS):
                listening.show(record)
            try:
                stack.check()
            except Fatal as error:
                what = "its data are kept" if plan.keep else "data that were not kept with --keep FOLDER are gone"
                raise Fatal(error.reason, f"{error.message}\nRun `leadart dev` again: {what}.") from error
