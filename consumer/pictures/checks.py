"""What no subscriber may ever see: a picture that is not one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import ImageStat

from consumer.errors import Transient
from consumer.pictures.renditions import open_picture
from schemas import Reason

if TYPE_CHECKING:
    from consumer.jobs import Picture

_LEAST_DEVIATION = 1.0  # levels of 255: NaN latents decode to one flat colour, every real picture varies by tens


def check(picture: Picture) -> None:
    """Refuse a picture whose size is wrong or whose pixels are all but constant. Raises `Transient`.

    It tells a broken engine, not a bad picture: noise passes.
    """
    due = picture.width * picture.height * 3
    if len(picture.rgb) != due:
        raise Transient(Reason.ENGINE_FAILED, f"the engine gave {len(picture.rgb)} bytes of pixels instead of {due}")
    if max(ImageStat.Stat(open_picture(picture)).stddev) < _LEAST_DEVIATION:
        raise Transient(Reason.ENGINE_FAILED, "the engine gave a blank picture: every pixel has the same colour")
