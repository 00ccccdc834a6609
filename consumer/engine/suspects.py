"""Pictures that were being painted when a process died: suspects, and the verdict on each.

Poison is a verdict about one picture. It takes two deaths, and a process of the device where the last one happened must
have painted another picture since the first: otherwise that device may just as well end on everything.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from consumer.engine.process import ProcessEnd
from consumer.engine.request import PaintRequest, Suspicion
from consumer.errors import LeadartError, Transient, Unpaintable
from schemas import Reason

_POISON_DEATHS = 2
_SICK_DEATHS = 4
"""Deaths of one device in a row, nothing painted in between, after which no suspect waits for another picture."""

_REMEMBERED = 1024
_POISON = (
    "Painting this picture ended the engine's process {deaths} times, while it painted others: report the dead letter, "
    "and do not redrive it on the same version."
)
_NOTHING_PAINTED = (
    "The engine's process keeps ending while it paints, and this picture is not known to be why ({how}): see the "
    "worker's log and its GPU."
)
_NO_MEMORY = (
    "The kernel ended the engine's process for lack of memory while it painted this picture alone ({width}x{height} "
    "pixels): give the worker more memory, or ask for fewer pixels."
)


@dataclass(frozen=True, slots=True)
class ProcessDeath:
    """A device's process ended, `in_a_row` deaths after the device painted its last picture at `painted_at`.

    `painted_at` is in monotonic seconds. `alone`: it was painting one picture.
    """

    end: ProcessEnd
    alone: bool
    in_a_row: int
    painted_at: float


class Suspects:
    """Judges suspects, and remembers them from one attempt at a request to the next until their picture is painted."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Suspicion] = OrderedDict()
        self._aside: dict[PaintRequest, ProcessDeath] = {}

    def recall(self, digest: str) -> Suspicion:
        """Return what is known of a recipe."""
        return self._known.get(digest, Suspicion())

    def judge(self, request: PaintRequest, death: ProcessDeath) -> None:
        """Count a death against the picture. Then it is refused, set aside, or to be painted alone."""
        suspicion = self._remember(request)
        if death.end.out_of_memory:
            if death.alone:
                width, height = request.recipe.size
                request.resolve(Transient(Reason.ENGINE_FAILED, _NO_MEMORY.format(width=width, height=height)))
            return
        suspicion.deaths += 1
        suspicion.since = suspicion.since or time.monotonic()
        if suspicion.deaths < _POISON_DEATHS or not death.alone:
            return
        if death.painted_at > suspicion.since:
            request.resolve(Unpaintable(Reason.ENGINE_POISON, _POISON.format(deaths=suspicion.deaths)))
        elif death.in_a_row >= _SICK_DEATHS:
            request.resolve(_nothing_painted(death))
        else:
            self._aside[request] = death

    def is_aside(self, request: PaintRequest) -> bool:
        """Return whether the picture waits for its device to paint another one first."""
        return request in self._aside

    def drop(self, request: PaintRequest) -> None:
        """Forget that the picture waits; what is known of it stays."""
        self._aside.pop(request, None)

    def painted(self, request: PaintRequest | None) -> Sequence[PaintRequest]:
        """Clear a picture that was painted; return those that waited for one to be, to be tried again now."""
        if request and request.suspicion.alone:
            self._known.pop(request.recipe.digest, None)
        waited, self._aside = list(self._aside), {}
        return waited

    def give_up_waiting(self) -> None:
        """Fail the pictures set aside: no other is left to prove that the engine can paint."""
        waited, self._aside = self._aside, {}
        for request, death in waited.items():
            request.resolve(_nothing_painted(death))

    def _remember(self, request: PaintRequest) -> Suspicion:
        request.suspicion.alone = True
        self._known[request.recipe.digest] = request.suspicion
        self._known.move_to_end(request.recipe.digest)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return request.suspicion


def _nothing_painted(death: ProcessDeath) -> LeadartError:
    return Transient(Reason.ENGINE_FAILED, _NOTHING_PAINTED.format(how=death.end.how))
