"""What no subscriber may ever see: a picture that is not one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import ImageStat

from consumer.errors import Rejected, Transient
from consumer.pictures.renditions import open_picture
from schemas import Reason

if TYPE_CHECKING:
    from consumer.jobs import Picture

_LEAST_DEVIATION = 1.0  # levels of 255: every real picture varies by tens, noise too
_BLANK = (
    "The picture came out blank, all its pixels of one colour, and its recipe gives the same picture every time: ask "
    "for another seed or variation, more steps, or less guidance."
)


def check(picture: Picture) -> None:
    """Refuse a picture whose size is wrong (`Transient`) or whose pixels are all but constant (`Rejected`).

    Blank is a verdict on the recipe: to paint it again would only cost three more turns at the engine and an hour. A
    broken engine paints every recipe blank, though, so the breaker hears of this verdict: a row of them, with nothing
    painted between, holds the requests back before they become dead letters (see `consumer.processing.handler`).
    """
    due = picture.width * picture.height * 3
    if len(picture.rgb) != due:
        raise Transient(Reason.ENGINE_FAILED, f"the engine gave {len(picture.rgb)} bytes of pixels instead of {due}")
    if max(ImageStat.Stat(open_picture(picture)).stddev) < _LEAST_DEVIATION:
        raise Rejected(Reason.NOT_PAINTED, _BLANK)
