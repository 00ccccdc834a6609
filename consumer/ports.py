"""Ports: what the worker needs of the outside world. Each has a real adapter and an in-memory twin or a fake."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal, Protocol, Self

from consumer.jobs import (
    FoundPicture,
    Lane,
    Master,
    Paintable,
    PaintedFor,
    Picture,
    Recipe,
    StoredPicture,
    Use,
    Withdrawn,
)
from consumer.renditions import EncodedRenditions, RenditionOrder, StoredRendition, StoredRenditions


class Engine(Protocol):
    """Makes pixels. An async context manager: ready on entry, its child process gone on exit."""

    @property
    def paintable(self) -> Paintable:
        """The model and the adapters in use; stable while the context is open."""

    @property
    def ready(self) -> bool:
        """True while the model is loaded and its child process answers."""

    @property
    def devices(self) -> int:
        """How many devices it paints on; stable while the context is open."""

    @property
    def device_ready(self) -> Mapping[str, bool]:
        """Whether a process paints on each device, by the device's name; empty for an engine without processes."""

    @property
    def restarts(self) -> int:
        """How often its process was replaced; 0 for an engine without one."""

    async def paint(self, recipe: Recipe, lane: Lane, on_step: Callable[[int, int], None]) -> Picture:
        """Paint one picture; `on_step(done, of)` is called on the event loop after each denoising step.

        Pictures may be painted together, the more urgent lane first. Cancelling drops the picture if it has not
        begun. Raises `Transient` (worth another try), `Rejected` (too large for the devices) or `Unpaintable` (this
        recipe will never paint).
        """

    async def __aenter__(self) -> Self:
        """Load the model. Raises `Fatal` when that fails."""

    async def __aexit__(self, *exc_info: object) -> None:
        """End the child process, killing it if it does not exit; bounded in time."""


class Encoder(Protocol):
    """Turns pixels into files."""

    async def encode(self, picture: Picture) -> Master:
        """Check the picture, trim it to its recipe's size and encode it.

        Raises `Transient` or `Unpaintable` when the check fails.
        """

    async def render(self, master: bytes, order: RenditionOrder) -> EncodedRenditions:
        """Make the renditions of a master. Deterministic.

        Raises `Rejected` (`invalid_field`, field `crops.<set>`) for a crop that does not fit; ValueError for bytes that
        are no picture.
        """


class Store(Protocol):
    """Keeps pictures by their bytes, manifests by their recipe, and renditions by what was ordered of a picture.

    Every call raises `Overloaded` when the store cannot be reached, and may be cancelled: what it leaves then is used
    by the next attempt.
    """

    async def find(self, recipe: Recipe) -> StoredPicture | None:
        """Return the picture of the recipe's manifest; None without a manifest or an object with those bytes."""

    async def keep(self, recipe: Recipe, master: Master, asked: PaintedFor) -> StoredPicture:
        """Store the bytes, then the manifest: the commit point. If another manifest won, return its picture.

        Raises `Unstorable` when the picture is too large for the store or what is stored for this recipe is damaged and
        cannot be replaced; `WithdrawnMeanwhile`, with nothing left of it, when its user is withdrawn.
        """

    async def refer(self, picture: StoredPicture, use: Use) -> bool:
        """Enter another user than the one the picture was `painted_for`, before that user announces it.

        Return False if the picture is gone: then it has to be found or painted again. Raises `WithdrawnMeanwhile` when
        the user is withdrawn.
        """

    async def withdraw(self, article_id: str, slot: str | None, by: str | None = None) -> Withdrawn:
        """Delete what an article, or one of its slots, shows and nobody else does, and keep it from being stored again.

        `by` is the id of the withdrawal; one that was taken back does nothing. Without it, only finish what withdrawals
        in force have left, such as what was stored by a worker that died. Idempotent; what was interrupted anywhere is
        finished by the next call.
        """

    async def restore(self, article_id: str, slot: str | None) -> None:
        """Take back the withdrawals of an article, or of one of its slots. Idempotent."""

    async def look_up(self, picture: str, *, by: Literal["sha256", "recipe"]) -> FoundPicture | None:
        """Return the picture that was announced with this SHA-256 or recipe (hex), None if none was."""

    async def read(self, picture: StoredPicture) -> bytes | None:
        """Return the picture's bytes; None if the object is gone or has others."""

    async def find_renditions(self, picture: StoredPicture, order: RenditionOrder) -> StoredRenditions | None:
        """Return what was made of the picture for this order; None if nothing was or an object is gone or damaged."""

    async def keep_renditions(
        self, picture: StoredPicture, order: RenditionOrder, made: EncodedRenditions
    ) -> StoredRenditions | None:
        """Store the files, then their manifest: the commit point. If another manifest won, return what it lists.

        None, with nothing left of them, if the picture itself was withdrawn meanwhile. Raises `Unstorable` as `keep`
        does.
        """

    async def url(self, picture: StoredPicture | StoredRendition) -> tuple[str, datetime | None]:
        """Return where a subscriber fetches the picture, and when a presigned address expires (None: never)."""


class WorkerStore(Store, Protocol):
    """A store that a worker checks at its start."""

    async def prepare(self) -> None:
        """Check that pictures can be stored. Raises `Overloaded` with a sentence that says how to fix the problem."""

    async def probe(self) -> None:
        """Write and read small objects of its own. Raises `LeadartError` if that fails: then the store is down."""

    async def addresses_end_early(self) -> bool:
        """Return whether addresses expire within hours, as those presigned with temporary credentials do."""
