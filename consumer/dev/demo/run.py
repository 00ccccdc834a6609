"""`leadart demo`: one edition through the real worker, watched, checked and laid out as a page."""

import re
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from uuid import uuid4

from rich.console import Console
from rich.text import Text

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.page import PageImprint, caveat, render
from consumer.dev.demo.screen import fitted, open_screen, result_table
from consumer.dev.demo.stack import Stack, StackPlan, open_stack
from consumer.dev.demo.tickets import EditionDesk
from consumer.dev.demo.verdict import EditionVerdict, judge
from consumer.dev.demo.watch import EditionRun
from consumer.errors import Fatal
from consumer.kafka.cms_client import open_publisher, open_subscriber
from consumer.processing.styles import load_styles
from consumer.settings import GatewaySettings
from schemas import Reason

_OURS = frozenset(
    {
        "index.html",
        "pictures",
        "events.jsonl",
        "worker.log",
        "gateway.log",
        "gateway-keys.json",
        "article.json",
        "leadart.env",
    }
)
DESK = f"http://127.0.0.1:{GatewaySettings.model_fields['port'].default}/desk/"
"""Where `leadart dev` has the desk, if nothing else has the port."""
_PICTURE = re.compile(r"[0-9a-f]{64}\.[a-z]+")


async def run_demo(plan: StackPlan, console: Console) -> int:
    """Run the demo and return its exit status: 0 only if every save got the expected outcome.

    Writes `index.html`, `pictures/`, `events.jsonl` and `worker.log` to the plan's folder, replacing an earlier run's.
    Raises `Fatal` or `BusError` when the folder holds something else, a part of the stack does not start, or the worker
    or a server dies.
    """
    begun, clock = datetime.now(UTC), monotonic()
    fitted(console)
    make_room(plan.folder)
    desk = EditionDesk(load_edition(f"-{uuid4().hex[:6]}" if plan.shared else ""))

    def report(text: str) -> None:
        console.print(Text(text), soft_wrap=True)

    report(f"{len(desk.tickets)} saves, with small pictures that a CPU paints in seconds")
    async with open_stack(plan, report, with_worker=True) as stack:
        await _publish_and_watch(plan.folder, stack, desk, console, clock)
        settings = stack.settings
        remark = caveat(settings.engine)
    styles = load_styles(settings.styles.file)
    verdict = judge(desk, styles, alone=not plan.shared)
    imprint = PageImprint(begun, monotonic() - clock, remark, None if plan.shared else DESK)
    lay_out(plan.folder, render(desk, verdict, styles, imprint))
    console.print(result_table(desk, console.width))
    problems = [f"WRONG  {problem}" for problem in (*verdict.named(desk), *verdict.strays)]
    report("\n".join([*problems, _summary(verdict, monotonic() - clock), str(plan.folder / "index.html")]))
    return 0 if verdict.is_good else 1


def _summary(verdict: EditionVerdict, seconds: float) -> str:
    return f"{verdict.good_saves} of {len(verdict.saves)} saves got the outcome they should, {seconds:.1f} s in total."


async def _publish_and_watch(folder: Path, stack: Stack, desk: EditionDesk, console: Console, clock: float) -> None:
    """Publish and watch until all is answered; then stop the worker and read what it left on the topics."""
    async with open_subscriber(stack.settings) as subscriber, open_publisher(stack.settings) as publisher:
        with open_screen(console, desk) as screen:
            watch = EditionRun(desk, screen, publisher, subscriber, folder)
            worker = await stack.worker()
            screen.print_line(f"worker at {worker.address} ({monotonic() - clock:.1f} s)")
            await watch.until_all_is_answered(stack.check, stack.settings.engine.step_timeout_seconds)
            # Only with the worker gone can no second outcome be on its way.
            await stack.stop_worker()
            await watch.to_the_end()


def make_room(folder: Path) -> None:
    """Create the folder. An earlier run's page and pictures stay until the new page replaces them.

    Raises `Fatal` when it cannot be created, or holds files that are not from a run.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        seen = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
        if strangers := sorted(seen - _OURS):
            raise _refused(f"{folder} holds {strangers[0]}, which is not from the demo")
        (folder / "pictures").mkdir(exist_ok=True)
        for name in ("events.jsonl", "worker.log"):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _refused(f"{error.filename or folder}: {error.strerror}") from error


def lay_out(folder: Path, page: str) -> None:
    """Write the page and delete an earlier run's pictures that it does not show."""
    (folder / "index.html").write_text(page, encoding="utf-8")
    for picture in (folder / "pictures").iterdir():
        if _PICTURE.fullmatch(picture.name) and picture.name not in page:
            picture.unlink()


def _refused(what: str) -> Fatal:
    return Fatal(Reason.MISCONFIGURED, f"{what}. Name another folder with --out.")
