"""Contact sheets: many pictures in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = 4


def sheet(pictures: Sequence[Image.Image], columns: int) -> Image.Image:
    """Return the pictures side by side in rows; each row is as high as its highest picture."""
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    width = max(sum(picture.width + _GAP for picture in row) for row in rows)
    heights = [max(picture.height for picture in row) + _GAP for row in rows]
    whole = Image.new("RGB", (width, sum(heights)), "white")
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for picture in row:
            whole.paste(picture, (left, top))
            left += picture.width + _GAP
        top += height
    return whole
