"""Messages between the worker and its engine process: pickled frozen dataclasses in length-prefixed frames.

Pickle is safe here and nowhere else: both ends of the pipe are the same program, one started by the other.
"""

import pickle
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from consumer.jobs import Adapter, Focus, Lane, ModelIdentity, Recipe
from consumer.settings import EngineSettings
from schemas import Reason

_LENGTH = struct.Struct(">I")
Message = TypeVar("Message")


@dataclass(frozen=True, slots=True)
class Open:
    """To the child, first and once: load the model. While idle, send `Beat` every `beat_seconds`.

    `pictures` is the child's number of the pipe that pictures go through; None: through stdout, like all else.
    """

    settings: EngineSettings
    device: str
    beat_seconds: float
    pictures: int | None = None


@dataclass(frozen=True, slots=True)
class Paint:
    """To the child: paint this picture, `alone` if it is suspected of having killed a process."""

    number: int
    recipe: Recipe
    lane: Lane
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """To the child: the picture is no longer needed."""

    number: int


@dataclass(frozen=True, slots=True)
class Ready:
    """From the child, first: the model is loaded and warm. `adapters` are those a picture may ask for.

    `kernels` says which arithmetic it paints with, for the log.
    """

    model: ModelIdentity
    adapters: tuple[Adapter, ...] = ()
    kernels: str = ""


@dataclass(frozen=True, slots=True)
class Compiled:
    """From the child, at most once: compiling in the background has ended.

    It paints with compiled `parts` from now on, or as before because of a `failure`.
    """

    parts: str
    seconds: float
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """From the child, instead of `Ready` and as its last message: the model cannot be loaded."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Beat:
    """From the child while idle: it is alive."""


@dataclass(frozen=True, slots=True)
class Running:
    """From the child: exactly these pictures are being painted from now on; its death is blamed on them."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StepDone:
    """From the child: a picture has taken `done` of its `of` denoising steps."""

    number: int
    done: int
    of: int


@dataclass(frozen=True, slots=True)
class Painted:
    """From the child: a picture's pixels (8-bit sRGB, row-major) and the seconds since its first step.

    `prompt_cut`: the prompt was longer than the model reads; only its beginning was painted. `focus`: where guidance
    acted, None where that says nothing.
    """

    number: int
    width: int
    height: int
    rgb: bytes
    seconds: float
    prompt_cut: bool = False
    focus: Focus | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """From the child: the picture failed; `transient` if a retry may succeed, else `field` is what to change."""

    number: int
    reason: Reason
    message: str
    transient: bool
    field: str | None = None


Command = Paint | Drop
EngineRequest = Open | Command
Reply = Ready | Compiled | Refused | Beat | Running | StepDone | Painted | Failed


def frame(message: EngineRequest | Reply) -> bytes:
    """Return the message as bytes for the pipe."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


class Frames(Generic[Message]):
    """Splits a stream of bytes into messages, whatever chunks it arrives in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Add bytes and yield every message that is complete. Raises what `pickle.loads` raises on garbage."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield pickle.loads(body)  # noqa: S301 - from our own child or parent, over a private pipe
