"""A scripted engine process: `scripted_child.py MODE[@DEVICE] BATCH`.

It speaks the real protocol. Once it is ready, a picture's prompt says what happens to it. It paints BATCH pictures
together as soon as that many wait, and one at a time once there are suspects or one was dropped. Its pictures hold its
process id, its device, and whether they were suspects. MODE applies to processes on DEVICE, the others serve;
MODE-again applies to every process on a device but the first, which leaves a file in $MARKS. While $MARKS/deadly
exists, every process dies of the first picture it begins.
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
    Compiled,
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


def mode_here(script: str, device: str) -> str:
    """Return what this process is to do on this device."""
    mode, _, only = script.partition("@")
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
    sys.stderr.write(f"loading as scripted: {mode}\n")
    if mode == "die":
        os._exit(3)
    if mode == "hang":
        forever()
    if mode == "refuse":
        say(Refused(Reason.MISCONFIGURED, "Told to refuse."))
        os._exit(1)
    name = str(os.getpid()) if mode == "change" else "scripted"
    say(Ready(ModelIdentity(name, "0" * 64)))
    if mode == "compile":
        say(Compiled("decoder", 61.5))
    if mode == "fail-to-compile":
        say(Compiled("", 2.5, "RuntimeError: no kernel"))
    if mode == "die-idle":
        os._exit(4)


def dies_of(picture: Paint) -> bool:
    if Path(os.environ.get("MARKS", "nowhere"), "deadly").exists():
        return True
    return picture.recipe.prompt == "die" or (picture.recipe.prompt == "die unless alone" and not picture.alone)


def paint(batch: list[Paint], device: str) -> None:
    say(Running(tuple(picture.number for picture in batch)))
    for picture in batch:
        prompt = picture.recipe.prompt
        say(StepDone(picture.number, 1, picture.recipe.steps))
        if prompt == "slow":
            for done in range(5):
                time.sleep(0.4)
                say(StepDone(picture.number, done, 5))
        if prompt == "go on alone and die" and not picture.alone:
            say(Running((picture.number,)))
            os.kill(os.getpid(), signal.SIGKILL)
        if dies_of(picture):
            os.kill(os.getpid(), signal.SIGKILL)
        if prompt == "hang" or (prompt == "hang unless alone" and not picture.alone):
            forever()
        if prompt == "garble" and not picture.alone:
            os.write(1, b"\x00\x00\x00\x04this is no pickle")
            forever()
        if prompt == "fail":
            say(Failed(picture.number, Reason.NOT_PAINTED, "Told to fail.", transient=False, field="output"))
        elif prompt == "stumble":
            say(Failed(picture.number, Reason.ENGINE_FAILED, "Told to stumble.", transient=True))
        else:
            say(Painted(picture.number, 1, 1, f"{os.getpid()}@{device}{' alone' * picture.alone}".encode(), 0.5))


class WaitingPictures:
    """The pictures to paint, and when to paint them."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self.device = ""
        self._pictures: dict[int, Paint] = {}

    def take(self, request: Paint | Drop) -> None:
        if isinstance(request, Paint):
            self._pictures[request.number] = request
        else:
            self._pictures.pop(request.number, None)
            self._batch = 1

    def work(self) -> None:
        while suspects := [picture for picture in self._pictures.values() if picture.alone]:
            self._batch = 1
            paint([self._pictures.pop(suspects[0].number)], self.device)
        while len(self._pictures) >= self._batch:
            paint([self._pictures.pop(number) for number in list(self._pictures)[: self._batch]], self.device)


def main(mode: str, batch: int) -> None:
    frames: Frames[EngineRequest] = Frames()
    waiting = WaitingPictures(batch)
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
