"""The drawer below a picture: its recipe, its events and where its time went."""

from collections.abc import Iterator

from consumer.dev.demo.markup import Markup, join, tag
from consumer.dev.demo.tickets import SaveTicket
from consumer.dev.demo.verdict import recipes_of
from consumer.jobs import Recipe
from consumer.processing.styles import Styles
from schemas import ImageReady, ReadyPicture, ReadySeconds


def drawer(ticket: SaveTicket, problems: list[str], styles: Styles) -> Markup:
    """Return the drawer of one save, closed unless the save has problems."""
    ready = ticket.ready
    recipes = recipes_of(ticket, ready, styles) if ready else ()
    return tag(
        "details",
        tag("summary", "Recipe and record" if ready else "Record", spoken(ticket)),
        tag("ul", *(tag("li", problem) for problem in problems), class_="wrong") if problems else None,
        _made(ready, recipes[0]) if ready and recipes else None,
        *(_picture(picture) for picture in (ready.pictures if ready else ())),
        _record(ticket),
        _times(ready.seconds) if ready else None,
        open=bool(problems),
    )


def spoken(ticket: SaveTicket) -> Markup:
    """Return the name of a drawer's article, for screen readers."""
    return tag(
        "span", f" of {ticket.save.article['headline']}, revision {ticket.save.article['revision']}", class_="spoken"
    )


def _made(ready: ImageReady, recipe: Recipe) -> Markup:
    language = "zh" if any("\u4e00" <= letter <= "\u9fff" for letter in ready.prompt) else None
    return _list(
        ("prompt", tag("q", ready.prompt, lang=language)),
        ("negative prompt", recipe.negative_prompt),
        ("style", f"{ready.style.preset}, version {ready.style.version}"),
        ("size", " by ".join(map(str, recipe.size))),
        ("steps", recipe.steps),
        ("guidance", f"{recipe.guidance_scale:g}"),
        ("model", join(ready.model.name, " ", _digest(ready.model.sha256))),
        ("painted", "for an earlier save, then found in the store by its recipe" if ready.reused else "for this save"),
    )


def _picture(picture: ReadyPicture) -> Markup:
    return _list(
        ("picture", f"{picture.index + 1}, {picture.media_type}, {picture.bytes} bytes"),
        ("seed", tag("code", picture.seed)),
        ("recipe", _digest(picture.recipe)),
        ("sha-256", _digest(picture.sha256)),
    )


def _record(ticket: SaveTicket) -> Markup:
    asked = ticket.save.event
    return _list(
        ("request", tag("code", asked.id)),
        *(("outcome", join(outcome.type, " ", tag("code", outcome.id))) for outcome in ticket.outcomes),
        ("answered", f"{ticket.seconds:.2f} s after publishing" if ticket.seconds is not None else "never"),
    )


def _times(seconds: ReadySeconds) -> Markup:
    """Return the stages' seconds as figures and as a bar."""
    stages = [
        ("queued", seconds.queued),
        ("engine", seconds.engine),
        ("stored", seconds.stored),
        ("renditions", seconds.renditions),
    ]
    whole = max(seconds.total, sum(spent for _, spent in stages), 0.001)
    shares = [tag("i", class_=name, style=f"width:{100 * spent / whole:.1f}%") for name, spent in stages]
    figures = ", ".join(f"{name} {spent:.2f} s" for name, spent in [*stages, ("total", seconds.total)])
    return join(tag("div", *shares, class_="bar", aria_hidden="true"), tag("p", figures, class_="times"))


def _digest(text: str) -> Markup:
    return tag("code", text, class_="digest")


def _list(*entries: tuple[str, object]) -> Markup:
    return tag("dl", *_pairs(entries))


def _pairs(entries: tuple[tuple[str, object], ...]) -> Iterator[Markup]:
    for term, value in entries:
        yield tag("div", tag("dt", term), tag("dd", value))
