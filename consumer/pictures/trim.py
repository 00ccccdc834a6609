"""Cut a picture to the size asked for: it was painted larger, because sides are painted at multiples of 16."""

from dataclasses import replace

from consumer.jobs import Focus, Picture
from consumer.pictures.master import open_picture


def trim(picture: Picture) -> Picture:
    """Return the picture at its recipe's size, cut evenly on both sides; an odd pixel goes at the right or bottom."""
    if picture.recipe.trimmed is None:
        return picture
    width, height = picture.recipe.trimmed
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    rgb = open_picture(picture).crop((left, top, left + width, top + height)).tobytes()
    focus = picture.focus and _within(picture.focus, picture, left, top)
    return replace(picture, width=width, height=height, rgb=rgb, focus=focus)


def _within(focus: Focus, painted: Picture, left: int, top: int) -> Focus:
    """Return the focus as fractions of the trimmed picture, moved to its edge if it was cut off."""
    width, height = painted.recipe.size
    x = (focus.x * painted.width - left) / width
    y = (focus.y * painted.height - top) / height
    spread = focus.spread * min(painted.width, painted.height) / min(width, height)
    return Focus(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0), spread)
