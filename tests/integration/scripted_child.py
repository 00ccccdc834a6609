"""An engine process that does what a test says: `scripted_child.py MODE[@DEVICE] COMPANY`.

It speaks the real protocol. Once it is ready, a picture's prompt says what becomes of it. It paints as soon as COMPANY
pictures wait, that many together; by themselves once there are suspects, or one was dropped. Its pictures hold its
process id, its device, and whether they were suspects. MODE is for processes on DEVICE, the others serve; MODE-again is
for every process on a device but the first, of which $MARKS keeps a file.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path

from consumer.engine.protocol import (
    Beat,
    Drop,
    EngineRequest,
    Failed,
    Frames,
    Open,
    Paint,
    Painted,
    Ready,
    Refused,
    Reply,
    Running,
    StepDone,
    frame,
)
from consumer.jobs import ModelIdentity
from schemas import Reason


def say(reply: Reply) -> None:
    os.write(1, frame(reply))


def forever() -> None:
    while True:
        signal.pause()


def mode_here(wanted: str, device: str) -> str:
    """Return what this process, on this device, is to do."""
    mode, _, only = wanted.partition("@")
    if only and only != device:
        return "serve"
    if not mode.endswith("-again"):
        return mode
    mark = Path(os.environ["MARKS"], device)
    if mark.exists():
        return mode.removesuffix("-again")
    mark.touch()
    return "serve"


def load(mode: str) -> None:
    sys.stderr.write(f"loading as told: {mode}\n")
    if mode == "die":
        os._exit(3)
    if mode == "hang":
        forever()
    if mode == "refuse":
        say(Refused(Reason.MISCONFIGURED, "Told to refuse."))
        os._exit(1)
    name = str(os.getpid()) if mode == "change" else "scripted"
    say(Ready(ModelIdentity(name, "0" * 64)))
    if mode == "die-idle":
        os._exit(4)


def paint(batch: list[Paint], device: str) -> None:
    say(Running(tuple(order.number for order in batch)))
    for order in batch:
        prompt = order.recipe.prompt
        say(StepDone(order.number, 1, order.recipe.steps))
        if prompt == "slow":
            for done in range(5):
                time.sleep(0.4)
                say(StepDone(order.number, done, 5))
        if prompt == "die alone in company" and not order.alone:
            say(Running((order.number,)))
            os.kill(os.getpid(), signal.SIGKILL)
        if prompt == "die" or (prompt == "die in company" and not order.alone):
            os.kill(os.getpid(), signal.SIGKILL)
        if prompt == "hang" or (prompt == "hang in company" and not order.alone):
            forever()
        if prompt == "garble" and not order.alone:
            os.write(1, b"\x00\x00\x00\x04this is no pickle")
            forever()
        if prompt == "fail":
            say(Failed(order.number, Reason.NOT_PAINTED, "Told to fail.", transient=False, field="output"))
        elif prompt == "stumble":
            say(Failed(order.number, Reason.ENGINE_FAILED, "Told to stumble.", transient=True))
        else:
            say(Painted(order.number, 1, 1, f"{os.getpid()}@{device}{' alone' * order.alone}".encode(), 0.5))


class Waiting:
    """The pictures in hand, and when to paint them."""

    def __init__(self, company: int) -> None:
        self._company = company
        self.device = ""
        self._orders: dict[int, Paint] = {}

    def take(self, request: Paint | Drop) -> None:
        if isinstance(request, Paint):
            self._orders[request.number] = request
        else:
            self._orders.pop(request.number, None)
            self._company = 1

    def work(self) -> None:
        while suspects := [order for order in self._orders.values() if order.alone]:
            self._company = 1
            paint([self._orders.pop(suspects[0].number)], self.device)
        while len(self._orders) >= self._company:
            paint([self._orders.pop(number) for number in list(self._orders)[: self._company]], self.device)


def main(mode: str, company: int) -> None:
    frames: Frames[EngineRequest] = Frames()
    waiting = Waiting(company)
    beat = 60.0
    while True:
        if not select.select([0], [], [], beat)[0]:
            say(Beat())
            continue
        data = os.read(0, 65_536)
        if not data:
            return
        for request in frames.feed(data):
            if isinstance(request, Open):
                beat = request.beat_seconds
                waiting.device = request.device
                load(mode_here(mode, request.device))
            else:
                waiting.take(request)
        waiting.work()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
    if sys.argv[1] == "stubborn":
        forever()
