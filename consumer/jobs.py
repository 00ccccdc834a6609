"""The language between the stages: Record → Job → Recipe → Picture → Master → StoredPicture.

Every value is frozen; a stage takes one and returns the next. Nothing here does I/O.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from schemas import Reason
from schemas.cloudevents import Event
from schemas.ignored import NOTHING_IGNORED, Ignored
from schemas.requests import PictureRequest

RENDERER = "2"
"""Version of everything that decides pixels and is no field of a recipe; raising it repaints every picture."""


class Lane(StrEnum):
    """Priority class of a job, most urgent first: members are declared in the order of service."""

    INTERACTIVE = "interactive"
    LIVE = "live"
    RETRY = "retry"
    BACKFILL = "backfill"

    @property
    def rank(self) -> int:
        """0 for the most urgent lane."""
        return _RANKS[self]


_RANKS = {lane: rank for rank, lane in enumerate(Lane)}


@dataclass(frozen=True, slots=True)
class Record:
    """One record exactly as it was read.

    `not_read` says why its value and headers were left out (too large, or not to be unpacked), as a sentence beside the
    reason; empty for any other record.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int
    not_read: str = ""
    not_read_reason: Reason = Reason.TOO_LARGE


@dataclass(frozen=True, slots=True)
class Job:
    """A validated request, where it came from, and what of it the contract does not know."""

    event: Event
    request: PictureRequest
    record: Record
    lane: Lane
    ignored: Ignored = NOTHING_IGNORED


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which weights paint: a name for people and the SHA-256 (hex) of the weights for recipes.

    `coverage` is the share of the transformer's tensors that the custom checkpoint replaced, None without one.
    `quantization` is what the weights were rounded to once loaded, None if they were not.
    """

    name: str
    sha256: str
    coverage: float | None = None
    quantization: str | None = None


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA that takes part in a picture: its file's name without suffix, SHA-256 (hex) and strength."""

    name: str
    sha256: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Paintable:
    """What an engine can paint: its model, and the LoRAs that recipes may name (name to SHA-256 of the file, hex)."""

    model: ModelIdentity
    adapters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the pixels of one picture; its digest names the manifest.

    `width` and `height` are what is painted, in pixels (multiples of 16); `trimmed` is the size that is left once the
    edges are cut off, None if nothing is. `seed` for a CPU noise generator. `guidance_scale` is g in
    diffusers' positive + g * (positive - negative): conventional CFG minus 1, and 0 switches guidance off. The
    scheduler's shift is no field: it comes with the model.
    """

    prompt: str
    negative_prompt: str
    model: ModelIdentity
    adapters: tuple[Adapter, ...]
    width: int
    height: int
    steps: int
    guidance_scale: float
    seed: int
    style: str
    style_version: int
    renderer: str = RENDERER
    trimmed: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture as it is stored, in pixels."""
        return self.trimmed or (self.width, self.height)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the canonical JSON of all fields, of `trimmed` and `quantization` only if they are set."""
        # What `asdict` would make, without its deep copy: every request comes by here, made before or not.
        adapters = [{"sha256": adapter.sha256, "scale": adapter.scale} for adapter in self.adapters]
        model = {"name": self.model.name, "sha256": self.model.sha256}
        if self.model.quantization:
            model["quantization"] = self.model.quantization
        fields = {**vars(self), "model": model, "adapters": adapters}
        if self.trimmed is None:
            del fields["trimmed"]
        canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Focus:
    """Where in a picture its prompt acted most: the middle, as fractions of width and height from the top left, 0 to 1.

    `spread` is the standard deviation around it along a side, as a fraction of the shorter side: about 0.1 for one
    thing, more for several or for a whole landscape.
    """

    x: float
    y: float
    spread: float


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels as the engine made them: 8-bit sRGB, row-major, 3 bytes a pixel.

    `prompt_cut`: the prompt was longer than the model reads, and only its beginning was painted. `focus` is None where
    nothing tells it: without guidance, from the swatch engine, or if guidance acted the same all over.
    """

    recipe: Recipe
    width: int
    height: int
    rgb: bytes
    engine_seconds: float
    prompt_cut: bool = False
    focus: Focus | None = None


FILE_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/avif": "avif"}
"""File name suffix of each media type that is stored."""
MEDIA_TYPES = {suffix: media_type for media_type, suffix in FILE_SUFFIXES.items()}
"""The media type of each suffix."""


@dataclass(frozen=True, slots=True)
class Master:
    """A picture encoded whole and without loss: the bytes to store, and what its manifest records of the painting."""

    data: bytes
    media_type: str
    width: int
    height: int
    prompt_cut: bool = False
    focus: Focus | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the bytes: the object's name."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Use:
    """Who shows a picture: an article, in one of its slots."""

    article_id: str
    slot: str


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A master in the object store, as its manifest describes it. `bytes_` is the object's size.

    `painted_for` is the user that the manifest names, None for pictures from before it named one: every other user has
    to be referred to before it announces the picture.
    """

    key: str
    sha256: str
    bytes_: int
    media_type: str
    width: int
    height: int
    seed: int
    recipe: str
    prompt_cut: bool = False
    focus: Focus | None = None
    painted_for: Use | None = None


@dataclass(frozen=True, slots=True)
class PaintedFor:
    """What the first request for a picture said of it: its text alternative, its variation, and how many variants.

    `use` is who it is painted for; None only in manifests from before users were kept, and where none is withdrawn.
    """

    alt: str
    variation: int
    variants: int
    use: Use | None = None


@dataclass(frozen=True, slots=True)
class FoundPicture:
    """A picture looked up by its name: its recipe, and what its manifest says.

    `asked` is None for pictures stored before it was recorded. Without `intact`, the object is gone or damaged, and the
    picture has to be painted again.
    """

    recipe: Recipe
    stored: StoredPicture
    asked: PaintedFor | None
    intact: bool


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What a withdrawal deleted: keys of objects, the slots that had pictures, and how many stay for other users."""

    objects: tuple[str, ...] = ()
    slots: frozenset[str] = frozenset()
    shared: int = 0
