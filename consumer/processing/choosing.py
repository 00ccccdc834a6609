"""Choices: an editor keeps a picture in a slot, declares one of the site's own, or lets go."""

from collections.abc import Awaitable, Callable

from consumer.delivery.editorial import Choice, Position
from consumer.delivery.heads import Slot
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.ports import RecordResult
from consumer.delivery.ruling import Ruling, Verdict
from consumer.errors import Rejected, Superseded
from consumer.jobs import Job
from consumer.processing.editorial_outcomes import EditorialOutcomes, ruled
from consumer.processing.failure_policy import Decision
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.reading import claim_of
from schemas import ImageReady, Reason
from schemas.editorial import ImageChosen
from schemas.recrop import ImageRecropRequested, PictureReference

Finish = Callable[[ImageReady], RecordResult]
Produce = Callable[[ImageChosen], Awaitable[ImageReady | Decision]]
"""Finds the picture that a choice names, and makes its renditions."""


class Choosing:
    """Applies choices. What is announced is found or made first; then the choice takes effect, without a wait."""

    def __init__(self, outcomes: OutcomeBuilder) -> None:
        self._outcomes = outcomes
        self._editorial = EditorialOutcomes(outcomes)

    async def choose(
        self, in_flight: InFlightRecord, job: Job, at: Position, *, produce: Produce, finish: Finish
    ) -> RecordResult | Decision:
        """Return the choice's result; `finish` announces a ready outcome.

        Raises `Rejected` for a letting go of nothing and in a withdrawn slot, `Superseded` to hand the record back.
        """
        request = job.request
        if not isinstance(request, ImageChosen):
            raise TypeError(request)
        choice = Choice(decision=request)
        if request.picture is None and not request.external:
            choice = _let_go(in_flight.chosen(_slot(job), at))
        if choice.decision.external:
            return self._apply(in_flight, job, at, choice, ready=None, finish=finish)
        if in_flight.preview(claim_of(job)).verdict is Verdict.WITHDRAWN:  # nothing is stored for it either
            raise _withdrawn()
        end = await produce(choice.decision)
        if isinstance(end, ImageReady):
            return self._apply(in_flight, job, at, _of(choice, end), ready=end, finish=finish)
        if choice.let_go:  # a choice whose picture is lost must not stay for ever
            self._apply(in_flight, job, at, choice, ready=None, finish=finish)
        return end

    def crop(
        self, in_flight: InFlightRecord, job: Job, at: Position, ready: ImageReady, finish: Finish
    ) -> RecordResult:
        """Return the result of a re-crop of the chosen picture, which changes the choice."""
        request, choice = job.request, in_flight.ruling.choice
        if choice is None or not isinstance(request, ImageRecropRequested):
            raise TypeError(request)
        crops = {"focal_point": request.focal_point, "crops": request.crops}
        changed = choice.model_copy(update={"decision": choice.decision.model_copy(update=crops)})
        return self._apply(in_flight, job, at, changed, ready=ready, finish=finish)

    def _apply(  # noqa: PLR0913 - the choice, and how to announce it
        self,
        in_flight: InFlightRecord,
        job: Job,
        at: Position,
        choice: Choice,
        *,
        ready: ImageReady | None,
        finish: Finish,
    ) -> RecordResult:
        ruling = in_flight.choose(_slot(job), at, choice)
        if ruling is None:
            raise Superseded
        if ruling.verdict is Verdict.WITHDRAWN:
            raise _withdrawn()
        if ruling.verdict is Verdict.SUPERSEDED:
            return self._outcomes.superseded(job, _revision(ruling, job))
        if ready is None:
            return self._editorial.external(job, ruling)
        return finish(ruled(ready, ruling))


def _slot(job: Job) -> Slot:
    return Slot(job.request.article.id, job.request.slot)


def _withdrawn() -> Rejected:
    return Rejected(Reason.WITHDRAWN, "The article is withdrawn: restore it before you choose a picture.")


def _let_go(choice: Choice | None) -> Choice:
    if choice is None:
        raise Rejected(
            Reason.NOTHING_CHOSEN,
            "No picture is chosen in this slot: name one in `picture`, or declare your own with `external`.",
            field="picture",
        )
    return choice.model_copy(update={"let_go": True})


def _of(choice: Choice, ready: ImageReady) -> Choice:
    """Return the choice with both names of its picture, so that it is found even if an archive is not indexed."""
    picture = ready.pictures[0]
    named = choice.decision.model_copy(update={"picture": PictureReference(recipe=picture.recipe)})
    return choice.model_copy(update={"decision": named, "sha256": picture.sha256, "recipe": picture.recipe})


def _revision(ruling: Ruling, job: Job) -> int:
    later = ruling.choice
    return later.decision.article.revision if later is not None else job.request.article.revision
