"""What the worker and its engine process say to each other: pickled frozen values in length-prefixed frames.

Pickle is safe here and only here: both ends of the pipe are the same program, one started by the other.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.jobs import Adapter, Lane, ModelIdentity, Recipe
    from consumer.settings import EngineSettings
    from schemas import Reason

_LENGTH = struct.Struct(">I")
Message = TypeVar("Message")


@dataclass(frozen=True, slots=True)
class Open:
    """To the child, first and once: load the model. `beat_seconds` is how often it speaks while it has no work."""

    settings: EngineSettings
    device: str
    beat_seconds: float


@dataclass(frozen=True, slots=True)
class Paint:
    """To the child: paint this picture, by itself if it is suspected of having ended a process."""

    number: int
    recipe: Recipe
    lane: Lane
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """To the child: nobody wants this picture any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Ready:
    """From the child, first: the model is loaded and warm. `adapters` are those that pictures may ask for."""

    model: ModelIdentity
    adapters: tuple[Adapter, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """From the child, instead of `Ready` and as its last word: the model cannot be had."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Beat:
    """From the child while it has no work: it is alive."""


@dataclass(frozen=True, slots=True)
class Running:
    """From the child: exactly these pictures are being painted from now on; they answer for its death."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StepDone:
    """From the child: a picture has `done` of its `of` denoising steps behind it."""

    number: int
    done: int
    of: int


@dataclass(frozen=True, slots=True)
class Painted:
    """From the child: a picture's pixels (8-bit sRGB, row-major) and the seconds it took with its company.

    `prompt_cut`: its prompt was longer than the model reads, and only the beginning was painted.
    """

    number: int
    width: int
    height: int
    rgb: bytes
    seconds: float
    prompt_cut: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """From the child: no picture; `transient` when another try may go better, `field` what else would help."""

    number: int
    reason: Reason
    message: str
    transient: bool
    field: str | None = None


Command = Paint | Drop
EngineRequest = Open | Command
Reply = Ready | Refused | Beat | Running | StepDone | Painted | Failed


def frame(message: EngineRequest | Reply) -> bytes:
    """Return the message as it goes through the pipe."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


class Frames(Generic[Message]):
    """Cuts a stream of bytes back into messages, however the pipe chopped it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take bytes in; yield every message that is complete. Raises what `pickle.loads` raises on garbage."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield pickle.loads(body)  # noqa: S301 - from our own child or parent, over a pipe nobody else holds
