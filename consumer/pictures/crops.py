"""Where to crop: rectangles of a ratio in a master, and the sizes of its renditions. Pure."""

from collections.abc import Iterable, Mapping

from consumer.errors import Rejected
from consumer.renditions import Crop, FocalPoint, RenditionSet
from schemas import Reason

_TOLERANCE = 0.01
"""How far from its set's ratio an explicit crop may be, as a share; a pixel of rounding is allowed as well."""

Size = tuple[int, int]


def crop_for(wanted: RenditionSet, size: Size, focal_point: FocalPoint) -> Crop:
    """Return the largest crop of the set's ratio, with the focal point as near its middle as the master allows.

    It lies inside the master, holds the focal point and has at least a pixel; `size` is the master's. Moving the focal
    point one way never moves the crop the other way.
    """
    width, height = _largest(*size, *(wanted.ratio or size))
    return Crop(
        _offset(size[0], width, focal_point.x), _offset(size[1], height, focal_point.y), width=width, height=height
    )


def check_names(sets: Iterable[RenditionSet], crops: Mapping[str, Crop]) -> None:
    """Raise `Rejected` for an explicit crop of none of these sets."""
    names = [each.name for each in sets]
    for name in crops:
        if name not in names:
            message = f"There is no rendition set {name!r} here: use one of {', '.join(names) or 'none'}."
            raise Rejected(Reason.INVALID_FIELD, message, field=f"crops.{name}")


def check_crop(wanted: RenditionSet, size: Size, crop: Crop) -> None:
    """Raise `Rejected` for an explicit crop that is not inside the master, or is of another ratio than the set's."""
    problem = _problem(wanted, size, crop)
    if problem:
        sentence = f"The {wanted.name} crop, {crop.width}x{crop.height} at {crop.x},{crop.y}, {problem}."
        raise Rejected(Reason.INVALID_FIELD, sentence, field=f"crops.{wanted.name}")


def possible_crops(sets: Iterable[RenditionSet], size: Size, crops: Mapping[str, Crop]) -> dict[str, Crop]:
    """Return those explicit crops that are of one of the sets and that `check_crop` lets pass."""
    named = {each.name: each for each in sets}
    return {name: crop for name, crop in crops.items() if name in named and not _problem(named[name], size, crop)}


def _problem(wanted: RenditionSet, size: Size, crop: Crop) -> str:
    """Return what is wrong with an explicit crop, "" if nothing is."""
    horizontal, vertical = wanted.ratio or size
    across, down = crop.width * vertical, crop.height * horizontal
    inside = min(crop.x, crop.y) >= 0 and crop.x + crop.width <= size[0] and crop.y + crop.height <= size[1]
    if min(crop.width, crop.height) < 1 or not inside:
        return f"is not inside the picture, which is {size[0]}x{size[1]} pixels"
    if abs(across - down) > max(_TOLERANCE * down, horizontal, vertical):
        width, height = _largest(crop.width, crop.height, horizontal, vertical)
        return f"is not {horizontal}:{vertical}: {width}x{height} would be"
    return ""


def fitting_sizes(wanted: RenditionSet, master: Size, crop: Crop) -> list[Size]:
    """Return the sizes of the set's renditions that need no enlarging, at least one: else the crop's own width."""
    horizontal, vertical = wanted.ratio or master
    widths = [width for width in wanted.widths if width <= crop.width] or [crop.width]
    return [(width, min(max(1, _rounded(width * vertical, horizontal)), crop.height)) for width in widths]


def _largest(width: int, height: int, horizontal: int, vertical: int) -> Size:
    if width * vertical <= height * horizontal:
        return width, max(1, _rounded(width * vertical, horizontal))
    return max(1, _rounded(height * horizontal, vertical)), height


def _offset(length: int, part: int, focal: float) -> int:
    """Return where the part begins, so that the focal point (a fraction of the length) is near its middle."""
    return min(max(round(focal * length - part / 2), 0), length - part)


def _rounded(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)
