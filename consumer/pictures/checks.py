"""Checks that keep broken pictures from subscribers."""

from PIL import ImageStat

from consumer.errors import Transient, Unpaintable
from consumer.jobs import Picture
from consumer.pictures.renditions import open_picture
from schemas import Reason

_LEAST_DEVIATION = 1.0  # of 255 levels: real pictures vary by tens, and so does noise
_BLANK = (
    "The picture came out blank, with all pixels of one colour, and its recipe gives the same picture every time: ask "
    "for another seed or variation, more steps, or less guidance."
)


def check(picture: Picture) -> None:
    """Raise `Transient` for a picture of the wrong size, `Unpaintable` for one that is blank.

    A blank picture is the recipe's fault: three more attempts over an hour would give the same. But a broken engine
    paints every recipe blank, so the circuit breaker counts blank pictures too: several in a row, with nothing painted
    in between, hold requests back before they become dead letters (`consumer.processing.failure_policy`).
    """
    size = picture.width * picture.height * 3
    if len(picture.rgb) != size:
        raise Transient(Reason.ENGINE_FAILED, f"the engine gave {len(picture.rgb)} bytes of pixels instead of {size}")
    if max(ImageStat.Stat(open_picture(picture)).stddev) < _LEAST_DEVIATION:
        raise Unpaintable(Reason.NOT_PAINTED, _BLANK)
