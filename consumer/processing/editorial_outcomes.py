"""Outcomes that editors and their rules cause. Pure; the shard's owner writes them."""

from collections.abc import Sequence
from datetime import datetime

from consumer.delivery.editorial import Held
from consumer.delivery.in_flight import WithdrawnSlot
from consumer.delivery.ports import RecordResult
from consumer.delivery.ruling import Ruling, Verdict
from consumer.jobs import Job, Record
from consumer.processing.outcomes import OutcomeBuilder, about, article_revision, identity_of, ignored_fields
from schemas import ImageDeclined, ImageHeld, ImageReady, ImageWithdrawn, OutcomeKind, WithdrawnArticle
from schemas.cloudevents import Event
from schemas.editorial import ArticleRestored, ArticleWithdrawn
from schemas.names import EXTERNAL_CHOICE

_EXTERNAL = "An editor put a picture of the site's own into this slot."
_LET_GO = "The slot is open to generated pictures again."


def ruled(ready: ImageReady, ruling: Ruling) -> ImageReady:
    """Return a ready outcome with what the owner decided about the slot."""
    changes: dict[str, object] = {"ordinal": ruling.ordinal, "offers": ruling.verdict is Verdict.OFFER}
    choice = ruling.choice
    if choice is not None and ruling.verdict in {Verdict.KEEP, Verdict.CHOOSE}:
        changes |= {"chosen": not choice.let_go, "kept": ruling.verdict is Verdict.KEEP}
        changes |= {"alt": choice.decision.alt or ready.alt, "caption": choice.decision.caption or None}
    return ready.model_copy(update=changes)


class EditorialOutcomes:
    """Builds these outcomes."""

    def __init__(self, outcomes: OutcomeBuilder) -> None:
        self._outcomes = outcomes

    def external(self, job: Job, ruling: Ruling) -> RecordResult:
        """Announce that the slot has a picture of the site's own; of the event that lets go of it, the last time."""
        let_go = ruling.choice is not None and ruling.choice.let_go
        return self.declined(job, ruling.ordinal, EXTERNAL_CHOICE, _LET_GO if let_go else _EXTERNAL)

    def declined(self, job: Job, ordinal: int, rule: str, message: str, policy: str | None = None) -> RecordResult:
        """Announce that a rule of the site wants no picture."""
        data = ImageDeclined(
            request_id=job.event.id,
            article=article_revision(job),
            slot=job.request.slot,
            policy=policy,
            ordinal=ordinal,
            rule=rule,
            message=message,
            **ignored_fields(job.ignored),
        )
        # A draft's number is not remembered; that of an external choice tells its repeats from what came after it.
        facets = [rule, str(ordinal)] if rule == EXTERNAL_CHOICE else [rule]
        outcome = self._outcomes.outcome(job.record.partition, identity_of(job), data, facets)
        facts = {"outcome": OutcomeKind.DECLINED, "rule": rule, "policy": policy}
        return RecordResult((outcome,), facts=facts | about(job))

    def held(self, job: Job, held: Held, until: datetime) -> RecordResult:
        """Announce that the request waits for an editor's approval."""
        data = ImageHeld(
            request_id=job.event.id,
            article=article_revision(job),
            slot=job.request.slot,
            policy=held.policy or None,
            ordinal=held.ordinal,
            rule=held.rule,
            message=held.message,
            held_until=until,
            **ignored_fields(job.ignored),
        )
        facets = [held.rule, str(held.ordinal), str(held.until_ms)]
        outcome = self._outcomes.outcome(job.record.partition, identity_of(job), data, facets)
        facts = {"outcome": OutcomeKind.HELD, "rule": held.rule, "policy": held.policy}
        return RecordResult((outcome,), facts=facts | about(job))

    def withdrawn(self, job: Job, ruling: Ruling) -> RecordResult:
        """Announce that the request's slot is taken down."""
        revision = job.request.article.revision
        data = ImageWithdrawn(
            request_id=job.event.id,
            article=WithdrawnArticle(id=job.request.article.id, revision=revision),
            slot=job.request.slot,
            ordinal=ruling.ordinal,
            message=ruling.message,
            **ignored_fields(job.ignored),
        )
        outcome = self._outcomes.outcome(
            job.record.partition, identity_of(job), data, [job.request.slot, str(ruling.ordinal)]
        )
        return RecordResult((outcome,), facts={"outcome": OutcomeKind.WITHDRAWN} | about(job))

    def taken_down(
        self, event: Event, request: ArticleWithdrawn, record: Record, slots: Sequence[WithdrawnSlot]
    ) -> RecordResult:
        """Announce a withdrawal: each slot, or once without one if there was none."""
        known: list[tuple[str | None, int | None, int]] = [
            (each.slot.name, each.revision, each.ordinal) for each in slots
        ]
        known = known or [(request.slot, None, 0)]
        outcomes = [
            self._outcomes.outcome(
                record.partition,
                self._outcomes.identity(event, request.article.id),
                ImageWithdrawn(
                    request_id=event.id,
                    article=WithdrawnArticle(id=request.article.id, revision=revision),
                    slot=name,
                    ordinal=ordinal,
                    message=request.reason,
                ),
                [name or "", str(ordinal)],
            )
            for name, revision, ordinal in known
        ]
        facts = {"outcome": OutcomeKind.WITHDRAWN, "slots": [name for name, _, _ in known]}
        return RecordResult(tuple(outcomes), facts=facts | _about(event, request, record))

    def restored(self, event: Event, request: ArticleRestored, record: Record) -> RecordResult:
        """Announce nothing: what a slot shows is the next request's to say."""
        return RecordResult((), facts={"outcome": "restored"} | _about(event, request, record))


def _about(event: Event, request: ArticleWithdrawn | ArticleRestored, record: Record) -> dict[str, object]:
    return {
        "request_id": event.id,
        "article_id": request.article.id,
        "slot": request.slot,
        "asked_at": event.time.timestamp() if event.time else record.timestamp_ms / 1000,
    }
