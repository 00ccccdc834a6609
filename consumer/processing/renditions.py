"""The rendition stage: what a site wants of a stored master, found in the store or made from it.

Everything is made of the stored bytes, never of pixels in memory: an archive gets new sets without painting. What no
request wants again is encoded once, for all jobs of a lane that wait for it.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from consumer import failpoints
from consumer.errors import Unstorable
from consumer.failpoints import Failpoint
from consumer.jobs import Lane, StoredPicture
from consumer.ports import Encoder, Store
from consumer.processing.admission import Admission
from consumer.processing.context import JobContext
from consumer.processing.flight import PictureResult
from consumer.processing.singleflight import SingleFlight
from consumer.processing.store_outage import Operation, StoreOutage
from consumer.renditions import (
    CENTRE,
    Crop,
    EncodedRenditions,
    FocalPoint,
    RenditionOrder,
    RenditionSet,
    StoredRenditions,
)
from consumer.telemetry.metrics import Stage
from schemas import EditorFocalPoint, FocalSource, ImageRequested, Reason, RenditionScope
from schemas.requests import PictureRequest

ROUNDS: Final = 3
"""Attempts at a picture whose file is lost while it is worked on."""


class SiteSets(Protocol):
    """Which rendition sets a site has, by its rendition file."""

    def full(self, slot: str) -> tuple[RenditionSet, ...]:
        """Return all sets for the slot."""

    def thumbs(self, slot: str) -> tuple[RenditionSet, ...]:
        """Return the sets that every variant gets."""


@dataclass(frozen=True, slots=True)
class RenditionWish:
    """What a request wants of each of its pictures: `focal_point` is an editor's, None where none was given."""

    sets: tuple[RenditionSet, ...] = ()
    focal_point: FocalPoint | None = None
    crops: Mapping[str, Crop] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FinishedPicture:
    """A picture as it is announced; `renditions` is None where none were wanted."""

    stored: StoredPicture
    reused: bool
    focal_point: FocalPoint
    renditions: StoredRenditions | None = None


class RenditionStage:
    """Finds or makes renditions. Safe for many jobs at once.

    At most `threads` pictures of a lane are encoded at once, and twice as many are between being read and being stored;
    the others wait without their bytes, the most urgent lane first. With `use_found`, crops keep the point where the
    prompt acted.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        tasks: asyncio.TaskGroup,
        *,
        sets: SiteSets,
        encoder: Encoder,
        store: Store,
        outage: StoreOutage,
        threads: int = 2,
        use_found: bool = False,
    ) -> None:
        self._sets = sets
        self._encoder = encoder
        self._store = store
        self._outage = outage
        self._use_found = use_found
        self._admission = Admission(window=threads, unstored=2 * threads)
        self._calls: SingleFlight[StoredRenditions | None] = SingleFlight(tasks)

    def close(self) -> None:
        """Begin no more: what waits is handed back, what is being encoded is stored."""
        self._admission.close()

    def wish(self, request: PictureRequest) -> RenditionWish:
        """Return what a request wants: everything of one picture, thumbs of variants to choose from."""
        if not isinstance(request, ImageRequested):
            crops = {name: Crop(box.x, box.y, box.width, box.height) for name, box in request.crops.items()}
            return RenditionWish(self._sets.full(request.slot), _by_editor(request.focal_point), crops)
        output = request.output
        scope = output.renditions or (RenditionScope.FULL if output.variants == 1 else RenditionScope.THUMBS)
        return RenditionWish(self._sets_of(scope, output.slot), _by_editor(output.focal_point))

    def _sets_of(self, scope: RenditionScope, slot: str) -> tuple[RenditionSet, ...]:
        match scope:
            case RenditionScope.FULL:
                return self._sets.full(slot)
            case RenditionScope.THUMBS:
                return self._sets.thumbs(slot)
            case RenditionScope.NONE:
                return ()

    async def finish(self, context: JobContext, made: PictureResult, wish: RenditionWish) -> FinishedPicture | None:
        """Return the picture with its renditions; None if its master is gone from the store, or damaged.

        Raises `Rejected` for a crop that does not fit the master, `WorkerStopping` when the worker stops first. Waits
        without bound for a store that is down.
        """
        order = RenditionOrder(wish.sets, self._focal_point(made.stored, wish), wish.crops)
        if not order.sets:
            return FinishedPicture(made.stored, made.reused, order.focal_point)
        begun = time.monotonic()
        renditions = await self._find_or_make(context.job.lane, made.stored, order)
        context.timings.note(Stage.RENDITIONS, time.monotonic() - begun)
        if renditions is None:
            return None
        return FinishedPicture(made.stored, made.reused, order.focal_point, renditions)

    def _focal_point(self, picture: StoredPicture, wish: RenditionWish) -> FocalPoint:
        if wish.focal_point is not None:
            return wish.focal_point
        if self._use_found and picture.focus is not None:
            return FocalPoint(picture.focus.x, picture.focus.y, FocalSource.FOUND)
        return CENTRE

    async def _find_or_make(self, lane: Lane, picture: StoredPicture, order: RenditionOrder) -> StoredRenditions | None:
        found = await self._outage.retry_until_up(Operation.FIND, lambda: self._store.find_renditions(picture, order))
        if found is not None:
            return found
        # By lane, so that an urgent job never waits in the place of a lower one.
        key = f"{lane}/{picture.sha256}/{order.digest}"
        made, _ = await self._calls.join(key, partial(self._make, lane, picture, order))
        return made

    async def _make(self, lane: Lane, picture: StoredPicture, order: RenditionOrder) -> StoredRenditions | None:
        async with self._admission.slot(lane) as slot:
            made = await self._encode(picture, order)
            slot.painted()
            if made is None:
                return None
            await failpoints.reached(Failpoint.RENDERING)
            return await self._outage.retry_until_up(
                Operation.RENDITIONS, lambda: self._store.keep_renditions(picture, order, made)
            )

    async def _encode(self, picture: StoredPicture, order: RenditionOrder) -> EncodedRenditions | None:
        master = await self._outage.retry_until_up(Operation.READ, lambda: self._store.read(picture))
        return None if master is None else await self._encoder.render(master, order)


def _by_editor(point: EditorFocalPoint | None) -> FocalPoint | None:
    # Adding 0 turns -0.0 into 0.0: one point has one order.
    return None if point is None else FocalPoint(point.x + 0.0, point.y + 0.0, FocalSource.EDITOR)


def lost_again(picture: StoredPicture) -> Unstorable:
    """Return the error for a picture that cannot be read however often it is painted."""
    return Unstorable(
        Reason.STORE_UNAVAILABLE,
        f"{picture.key} does not hold the bytes of its name, although the store says so: delete it",
    )
