"""Check that each save got exactly one outcome, of the expected kind and with correct data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from consumer.dev.demo.downloads import Download
from consumer.dev.demo.tickets import EditionDesk, SaveTicket
from consumer.jobs import Adapter, ModelIdentity, Paintable, Recipe, Record
from consumer.processing.prompting import make_plan
from consumer.processing.styles import Styles
from schemas import ImageFailed, ImageReady, ImageRequested, Reason
from schemas.cloudevents import write

_THUMB = frozenset({"thumb"})
_SHAPES = _THUMB | {"hero", "landscape", "square", "social"}
"""The rendition sets that leadart ships."""


@dataclass(frozen=True, slots=True)
class EditionVerdict:
    """Problems as sentences: of each save, by its request id, and of records that answer no save."""

    saves: Mapping[str, list[str]]
    strays: list[str]

    @property
    def is_good(self) -> bool:
        """True without problems."""
        return not any(self.saves.values()) and not self.strays

    def named(self, desk: EditionDesk) -> list[str]:
        """Return each problem of a save with its headline and revision, in the order of the desk."""
        return [
            f"{ticket.save.article['headline']}, revision {ticket.save.article['revision']}: {problem}"
            for ticket in desk.tickets
            for problem in self.saves[ticket.save.event.id]
        ]

    @property
    def good_saves(self) -> int:
        """Number of saves that got the expected outcome."""
        return sum(not problems for problems in self.saves.values())


def judge(desk: EditionDesk, styles: Styles, *, alone: bool) -> EditionVerdict:
    """Check every save; if `alone` on Kafka, also that no record answers anything else."""
    strays = [f"{stray.topic}:{stray.partition} offset {stray.offset} answers no save" for stray in desk.strays]
    saves = {ticket.save.event.id: problems_of(ticket, styles) for ticket in desk.tickets}
    return EditionVerdict(saves, strays if alone else [])


def problems_of(ticket: SaveTicket, styles: Styles) -> list[str]:
    """Return the problems of a save's outcome."""
    expected = ticket.save.expected
    if len(ticket.outcomes) != 1:
        kinds = ", ".join(outcome.type for outcome in ticket.outcomes)
        return [f"{len(ticket.outcomes)} outcomes instead of one ({kinds})" if kinds else "no outcome"]
    if ticket.outcome != expected.outcome:
        why = f": {ticket.failed.reason}, {ticket.failed.message}" if ticket.failed else ""
        return [f"{ticket.outcome} instead of {expected.outcome}{why}"]
    if ticket.ready:
        return [*_wrong_about_ready(ticket, ticket.ready, styles), *_wrong_dead_letters(ticket, None)]
    if ticket.failed:
        return [*_wrong_about_failed(ticket, ticket.failed), *_wrong_dead_letters(ticket, expected.reason)]
    return ["the outcome's data break the contract"]


def recipes_of(ticket: SaveTicket, ready: ImageReady, styles: Styles) -> tuple[Recipe, ...]:
    """Return the recipes of a request's pictures, from the request alone; the announced digests must match.

    Empty for a request that breaks the contract, and so gets no pictures.
    """
    try:
        request = ImageRequested.model_validate(ticket.save.request)
    except ValidationError:
        return ()
    model = ModelIdentity(ready.model.name, ready.model.sha256, ready.model.coverage, ready.model.quantization)
    adapters = {adapter.name: adapter.sha256 for adapter in ready.model.adapters}
    return make_plan(request, styles, Paintable(model, adapters)).recipes


def _wrong_about_ready(ticket: SaveTicket, ready: ImageReady, styles: Styles) -> Iterator[str]:
    expected = ticket.save.expected
    if (ready.article.id, ready.article.revision) != (ticket.save.key, ticket.save.article["revision"]):
        yield f"announced for {ready.article.id} revision {ready.article.revision}"
    if ready.request_id != ticket.save.event.id:
        yield f"names request {ready.request_id}"
    if len(ready.pictures) != expected.pictures:
        yield f"{len(ready.pictures)} pictures instead of {expected.pictures}"
    if ready.reused is not expected.reused:
        yield f"reused is {ready.reused}, should be {expected.reused}"
    recipes = recipes_of(ticket, ready, styles)
    if any(recipe.adapters != _announced_adapters(ready) for recipe in recipes):
        yield "the adapters are not those of the style"
    due = [(recipe.digest, recipe.seed, *recipe.size) for recipe in recipes]
    if [(picture.recipe, picture.seed, picture.width, picture.height) for picture in ready.pictures] != due:
        yield "the pictures do not match the request's recipes"
    if [download.picture.index for download in ticket.downloads] != list(range(expected.pictures)):
        yield "some pictures were not fetched"
    if ready.disclosure is None:
        yield "does not say how to disclose that the pictures are AI-made"
    for download in ticket.downloads:
        yield from download.problems
        yield from _wrong_renditions(download, alone=expected.pictures == 1)


def _wrong_renditions(download: Download, *, alone: bool) -> Iterator[str]:
    """Yield what a picture lacks: the thumb, and every other shape where it is the only picture."""
    sets = {rendition.set for rendition in download.picture.renditions}
    lacking = (_SHAPES if alone else _THUMB) - sets
    if lacking:
        yield f"picture {download.picture.index} has no {', '.join(sorted(lacking))}"
    if len(download.renditions) != len(download.picture.renditions):
        yield f"some renditions of picture {download.picture.index} were not fetched"


def _announced_adapters(ready: ImageReady) -> tuple[Adapter, ...]:
    return tuple(Adapter(adapter.name, adapter.sha256, adapter.scale) for adapter in ready.model.adapters)


def _wrong_about_failed(ticket: SaveTicket, failed: ImageFailed) -> Iterator[str]:
    expected = ticket.save.expected
    if (failed.reason, failed.field) != (expected.reason, expected.field):
        yield f"{failed.reason} on {failed.field} instead of {expected.reason} on {expected.field}: {failed.message}"
    if failed.request_id != ticket.save.event.id:
        yield f"names request {failed.request_id}"


def _wrong_dead_letters(ticket: SaveTicket, reason: str | None) -> Iterator[str]:
    """Yield a problem for each dead letter that is missing, unexpected, or differs from the request."""
    due = 0 if reason is None else 1
    if len(ticket.dead_letters) != due:
        yield f"{len(ticket.dead_letters)} dead letters instead of {due}"
    for dead_letter in ticket.dead_letters:
        if not _is_untouched(dead_letter, ticket):
            yield "its dead letter is not the request as it was sent"
        if reason and dict(dead_letter.headers).get("leadart-reason") != Reason(reason).encode():
            yield f"its dead letter does not say {reason}"


def _is_untouched(dead_letter: Record, ticket: SaveTicket) -> bool:
    headers, value = write(ticket.save.event)
    kept = [(name, content) for name, content in dead_letter.headers if not name.startswith("leadart-")]
    return (dead_letter.key, dead_letter.value, kept) == (ticket.save.key.encode(), value, headers)
