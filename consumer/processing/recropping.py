"""Re-crops: new renditions of a picture that was announced, without painting it.

The picture is looked up by its digest. Only if its file is gone is it painted again, from its recipe.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal
from weakref import WeakValueDictionary

import structlog

from consumer.delivery.heads import Slot
from consumer.errors import Rejected
from consumer.jobs import RENDERER, FoundPicture, Paintable, PaintedFor, Recipe, StoredPicture
from consumer.pictures.crops import check_names, possible_crops
from consumer.ports import Engine, Store
from consumer.processing.alternative import ALT_LENGTH, alternative_of
from consumer.processing.announcing import Announcer, ReadyDetails
from consumer.processing.context import JobContext
from consumer.processing.flight import PictureResult
from consumer.processing.graphemes import length_of, shorten
from consumer.processing.referring import referred, use_of
from consumer.processing.renditions import ROUNDS, RenditionStage, RenditionWish, lost_again
from consumer.processing.store_outage import Operation, StoreOutage
from consumer.processing.styles import Styles
from consumer.processing.wording import language_of
from schemas import ImageReady, Reason
from schemas.editorial import ImageChosen
from schemas.recrop import ImageRecropRequested

log = structlog.get_logger(__name__)

PaintAgain = Callable[[JobContext, PaintedFor, int, Recipe], Awaitable[PictureResult]]


@dataclass(frozen=True, slots=True)
class CropPlan:
    """A picture by one of its digests, and what is wanted of it. There is nothing to paint.

    `standing`: it was asked for earlier, perhaps with another rendition file. Crops that this one has no place for are
    left out then, and those sets keep the focal point.
    """

    picture: str
    by: Literal["sha256", "recipe"]
    wish: RenditionWish
    standing: bool = False
    recipes: tuple[Recipe, ...] = ()


class Recropping:
    """Answers re-crops, those of one slot in the order in which they came: of equal revisions the later outcome wins.

    `paint_again` makes a picture whose file is lost.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        *,
        styles: Styles,
        engine: Engine,
        store: Store,
        outage: StoreOutage,
        renditions: RenditionStage,
        announcer: Announcer,
        paint_again: PaintAgain,
    ) -> None:
        self._styles = styles
        self._engine = engine
        self._store = store
        self._outage = outage
        self._renditions = renditions
        self._announcer = announcer
        self._paint_again = paint_again
        self._turns: WeakValueDictionary[Slot, asyncio.Lock] = WeakValueDictionary()

    def plan(self, request: ImageRecropRequested | ImageChosen, *, standing: bool = False) -> CropPlan:
        """Return what to crop. Raises `Rejected` for a crop of a set that the slot does not have, unless `standing`."""
        digests = request.picture
        wish = self._renditions.wish(request)
        if not standing:
            check_names(wish.sets, wish.crops)
        if digests is not None and digests.sha256 is not None:
            return CropPlan(digests.sha256, "sha256", wish, standing)
        return CropPlan((digests and digests.recipe) or "", "recipe", wish, standing)

    async def produce(self, context: JobContext, plan: CropPlan) -> ImageReady:
        """Make the renditions and return what to announce.

        Raises `Rejected` for a picture that is unknown, or withdrawn meanwhile, and for a crop that does not fit it.
        """
        request = context.job.request
        turn = self._turns.setdefault(Slot(request.article.id, request.slot), asyncio.Lock())
        async with turn:
            return await self._produce(context, plan)

    async def _produce(self, context: JobContext, plan: CropPlan) -> ImageReady:
        found = await self._look_up(plan.picture, plan.by)
        if found is None:
            raise _unknown(plan)
        wish = _still_possible(plan.wish, found.stored) if plan.standing else plan.wish
        for _ in range(ROUNDS):
            made = await self._master(context, found)
            context.begin()
            finished = await self._renditions.finish(context, made, wish)
            # Asked once more: an outcome must not name a picture that was withdrawn while it was cropped.
            found = await self._look_up(made.stored.recipe, "recipe")
            if found is None:
                raise _withdrawn(plan)
            if finished is not None and found.intact and found.stored.key == made.stored.key:
                return await self._announcer.ready(context, self._details(found), [finished])
        raise lost_again(found.stored)

    async def _look_up(self, picture: str, by: Literal["sha256", "recipe"]) -> FoundPicture | None:
        return await self._outage.retry_until_up(Operation.FIND, lambda: self._store.look_up(picture, by=by))

    async def _master(self, context: JobContext, found: FoundPicture) -> PictureResult:
        use = use_of(context.job)
        if found.intact and await referred(self._store, self._outage, found.stored, use):
            return PictureResult(found.stored, reused=True)
        _require_paintable(found.recipe, self._engine.paintable)
        return await self._paint_again(context, replace(self._asked(found), use=use), 0, found.recipe)

    def _details(self, found: FoundPicture) -> ReadyDetails:
        asked, recipe = self._asked(found), found.recipe
        style = self._styles.presets.get(recipe.style)
        # Of a preset that is gone nothing is known: then it is safer to label the picture.
        photorealistic = style is None or style.photorealistic
        return ReadyDetails(recipe.prompt, asked.alt, asked.variation, recipe, photorealistic)

    def _asked(self, found: FoundPicture) -> PaintedFor:
        """Return what the first request said; for a picture of earlier versions, what can be said without it."""
        return found.asked or PaintedFor(_alternative(found.recipe, self._styles), variation=0, variants=1)


def _still_possible(wish: RenditionWish, picture: StoredPicture) -> RenditionWish:
    """Return the wish without the crops that the site's rendition file has no place for any more."""
    crops = possible_crops(wish.sets, (picture.width, picture.height), wish.crops)
    if lost := sorted(wish.crops.keys() - crops.keys()):
        log.warning("crops_left_out", sets=lost, picture=picture.sha256, message="The rendition file has changed.")
    return replace(wish, crops=crops)


def _alternative(recipe: Recipe, styles: Styles) -> str:
    style = styles.presets.get(recipe.style)
    if style is None:
        return shorten(recipe.prompt, length_of(recipe.prompt, ALT_LENGTH), "…")
    subject = style.subject_in(recipe.prompt) or recipe.prompt
    return alternative_of(style, subject, language_of(subject, "en"))


def _require_paintable(recipe: Recipe, paintable: Paintable) -> None:
    """Raise `Rejected` unless the engine would paint the same picture."""
    adapters = all(paintable.adapters.get(one.name) == one.sha256 for one in recipe.adapters)
    theirs, ours = recipe.model, paintable.model
    weights = (theirs.sha256, theirs.quantization) == (ours.sha256, ours.quantization)
    if not (weights and adapters and recipe.renderer == RENDERER):
        raise Rejected(
            Reason.UNKNOWN_PICTURE,
            f"The picture's file is gone, and it was painted by {theirs.name} in another version than this "
            f"worker's {ours.name}: request a new picture.",
            field="picture",
        )


def _unknown(plan: CropPlan) -> Rejected:
    return Rejected(
        Reason.UNKNOWN_PICTURE,
        f"The store has no picture with this `{plan.by}`: name one that a ready outcome of this site announced. For "
        "pictures of earlier versions, run `leadart store index` once.",
        field=f"picture.{plan.by}",
    )


def _withdrawn(plan: CropPlan) -> Rejected:
    return Rejected(
        Reason.UNKNOWN_PICTURE,
        "The picture was removed from the store while it was cropped: request a new picture.",
        field=f"picture.{plan.by}",
    )
