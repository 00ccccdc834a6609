"""The drawer of crops: each picture with its focal point, every shape cut from it, and what the files weigh."""

from collections.abc import Iterator

from consumer.dev.demo.figures import address
from consumer.dev.demo.markup import Markup, join, tag
from consumer.dev.demo.responsive import placeholder
from consumer.dev.demo.tickets import SaveTicket
from schemas import ReadyPicture, ReadyRendition
from schemas.pictures import FocalSource

_FOUND = {
    FocalSource.EDITOR: "set by an editor",
    FocalSource.FOUND: "found where the prompt acted",
    FocalSource.CENTRE: "the centre, as nobody set one",
}


def crops_drawer(ticket: SaveTicket, name: Markup) -> Markup | None:
    """Return the drawer, closed; None for a save without renditions. `name` tells screen readers of which article."""
    pictures = [picture for picture in (ticket.ready.pictures if ticket.ready else ()) if picture.renditions]
    if not pictures:
        return None
    sheets = tag("div", *map(_sheet, pictures), class_="sheets")
    return tag("details", tag("summary", _weights(pictures), name), sheets, class_="crops")


def _weights(pictures: list[ReadyPicture]) -> str:
    files = [file for picture in pictures for file in picture.renditions]
    sizes = sorted(file.bytes for file in files)
    spread = kilobytes(sizes[0]) if len(files) == 1 else f"{kilobytes(sizes[0])} to {kilobytes(sizes[-1])}"
    masters = kilobytes(max(picture.bytes for picture in pictures))
    return f"{len(files)} file{'s' if len(files) > 1 else ''} for screens, {spread}; the PNG {masters}"


def kilobytes(count: int) -> str:
    """Return a file's size for people, number and unit on one line."""
    digits = 1 if count < 100_000 else 0
    return f"{count / 1000:.{digits}f}\N{NO-BREAK SPACE}KB"


def _sheet(picture: ReadyPicture) -> Markup:
    shapes = _by_shape(picture)
    return tag(
        "div",
        _master(picture, shapes),
        tag("ul", *(_tile(picture, files) for files in shapes.values()), _before(picture), class_="shapes"),
        _table(picture),
        _missing(picture),
        class_="sheet",
    )


def _by_shape(picture: ReadyPicture) -> dict[str, list[ReadyRendition]]:
    shapes: dict[str, list[ReadyRendition]] = {}
    for file in picture.renditions:
        shapes.setdefault(file.set, []).append(file)
    return shapes


def _master(picture: ReadyPicture, shapes: dict[str, list[ReadyRendition]]) -> Markup:
    """Return the whole picture, every crop outlined on it, and the focal point."""
    crops = [files[0].crop for files in shapes.values()]
    outlines = (tag("rect", x=crop.x, y=crop.y, width=crop.width, height=crop.height) for crop in crops)
    point = picture.focal_point
    told = (
        f"Focal point {point.x:.0%} from the left, {point.y:.0%} from the top: {_FOUND[point.source]}." if point else ""
    )
    whole = tag(
        "img", src=address(picture.model_dump()), alt="", width=picture.width, height=picture.height, loading="lazy"
    )
    drawn = tag("svg", *outlines, viewBox=f"0 0 {picture.width} {picture.height}", aria_hidden="true")
    dot = _dot(point.x, point.y) if point else None
    return tag("figure", tag("div", whole, drawn, dot, class_="marked"), tag("figcaption", told), class_="master")


def _tile(picture: ReadyPicture, files: list[ReadyRendition]) -> Markup:
    """Return one shape: its lightest file, the focal point in it, and what its files are."""
    shown, crop, point = min(files, key=lambda file: file.bytes), files[0].crop, picture.focal_point
    dot = None
    if point:
        x, y = point.x * picture.width - crop.x, point.y * picture.height - crop.y
        dot = _dot(x / crop.width, y / crop.height)
    image = tag("img", src=address(shown.model_dump()), alt="", width=shown.width, height=shown.height, loading="lazy")
    return tag("li", tag("div", image, dot, class_="marked"), tag("b", shown.set), f" {shown.width} by {shown.height}")


def _before(picture: ReadyPicture) -> Markup | None:
    """Return what is seen while a file loads."""
    if picture.thumbhash is None or picture.dominant_colour is None:
        return None
    image = tag("img", src=placeholder(picture.thumbhash), alt="", width=32, height=32)
    chip = tag("i", class_="chip", style=f"background:{picture.dominant_colour}")
    return tag("li", tag("div", image, class_="marked"), tag("b", "placeholder"), " ", chip, class_="before")


def _dot(x: float, y: float) -> Markup:
    return tag("i", class_="focus", style=f"left:{100 * x:.1f}%;top:{100 * y:.1f}%", aria_hidden="true")


def _table(picture: ReadyPicture) -> Markup:
    """Return each file's size, and a bar of it against the PNG's."""
    columns = tag("tr", *(tag("th", column, scope="col") for column in ("file", "format", "size", "of PNG")))
    return tag("table", tag("thead", columns), tag("tbody", *_rows(picture)), class_="files")


def _rows(picture: ReadyPicture) -> Iterator[Markup]:
    png = tag("a", "as painted", href=address(picture.model_dump()))
    yield _row(png, picture.media_type, picture.bytes, picture.bytes)
    for file in picture.renditions:
        yield _row(tag("a", file.name, href=address(file.model_dump())), file.media_type, file.bytes, picture.bytes)


def _row(link: Markup, media_type: str, size: int, png: int) -> Markup:
    share = 100 * size / png
    meter = tag("span", tag("i", style=f"width:{min(100, share):.1f}%"), class_="meter", aria_hidden="true")
    cells = (link, media_type.removeprefix("image/").upper(), kilobytes(size), join(meter, f"{share:.0f} %"))
    return tag("tr", *(tag("td", cell) for cell in cells))


def _missing(picture: ReadyPicture) -> Markup | None:
    names = ", ".join(dict.fromkeys(missing.name for missing in picture.renditions_missing))
    return tag("p", "Larger than the picture, so not made: ", join(names), class_="times") if names else None
