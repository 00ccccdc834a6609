"""Crop sheets: what each rendition set shows of one picture, drawn on the picture itself."""

import textwrap

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from consumer.pictures.crops import Size, fitting_sizes
from consumer.pictures.decoding import as_srgb, decode
from consumer.pictures.master import png
from consumer.pictures.rendering import crops_of, xmp_of
from consumer.renditions import Crop, FocalPoint, RenditionOrder, RenditionSet

_COLUMNS = 3
_CELL = 360
_MARGIN = 20
_CAPTION = 72
_PAPER = (250, 249, 246)
_INK = (34, 34, 34)
_PALE = (110, 110, 110)
_LINE = (255, 196, 0)
_DIMMED = 0.35
_TITLE, _TEXT = 17, 14
_LINE_LENGTH = 46


def crop_sheet(master: bytes, order: RenditionOrder, producer: str) -> bytes:
    """Return a PNG with a picture for each set: its crop bright, the rest dimmed, the focal point as a ring.

    Below stand its name, its ratio, the crop in the master's pixels and the widths that are made. Raises as `render`
    does, and ValueError for an order without sets.
    """
    if not order.sets:
        raise ValueError("there are no rendition sets to show")
    decoded = decode(master)
    image = as_srgb(decoded)
    crops = crops_of(order, image.size)
    cells = [_cell(image, each, crops[each.name], order.focal_point) for each in order.sets]
    columns = min(_COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    width, height = cells[0].size
    sheet = Image.new("RGB", (columns * (width + _MARGIN) + _MARGIN, rows * (height + _MARGIN) + _MARGIN), _PAPER)
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        sheet.paste(cell, (_MARGIN + column * (width + _MARGIN), _MARGIN + row * (height + _MARGIN)))
    return png(sheet, xmp_of(decoded, producer))


def _cell(image: Image.Image, rendition_set: RenditionSet, crop: Crop, focal_point: FocalPoint) -> Image.Image:
    scale = _CELL / max(image.size)
    shown = image.resize(_visible(_scaled(image.size, scale)), Image.Resampling.LANCZOS)
    drawn = ImageEnhance.Brightness(shown).enhance(_DIMMED)
    left, top = _scaled((crop.x, crop.y), scale)
    right, bottom = _scaled((crop.x + crop.width, crop.y + crop.height), scale)
    across, down = _visible((right - left, bottom - top))
    box = (left, top, left + across, top + down)
    drawn.paste(shown.crop(box), box[:2])
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline=_LINE, width=2)
    _ring(pen, focal_point.x * shown.width, focal_point.y * shown.height)
    cell = Image.new("RGB", (_CELL, shown.height + _CAPTION), _PAPER)
    cell.paste(drawn, (0, 0))
    _caption(ImageDraw.Draw(cell), shown.height, rendition_set, crop, image.size)
    return cell


def _ring(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
    for radius, colour, width in ((9, _INK, 5), (8, _LINE, 3), (1, _LINE, 2)):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=width)


def _caption(pen: ImageDraw.ImageDraw, top: int, rendition_set: RenditionSet, crop: Crop, size: Size) -> None:
    ratio = ":".join(map(str, rendition_set.ratio)) if rendition_set.ratio else "whole picture"
    made = [width for width, _ in fitting_sizes(rendition_set, size, crop)]
    too_wide = [width for width in rendition_set.widths if width > crop.width]
    details = f"{crop.width}x{crop.height} at {crop.x},{crop.y}: " + " ".join(f"{width}w" for width in made)
    details += f" (not {' '.join(map(str, too_wide))})" if too_wide else ""
    title = ImageFont.load_default(size=_TITLE)
    pen.text((0, top + 6), rendition_set.name, fill=_INK, font=title)
    pen.text((title.getlength(rendition_set.name) + 8, top + 8), ratio, fill=_PALE, font=ImageFont.load_default(_TEXT))
    lines = "\n".join(textwrap.wrap(details, _LINE_LENGTH))
    pen.text((0, top + 30), lines, fill=_PALE, font=ImageFont.load_default(_TEXT))


def _scaled(pair: Size, scale: float) -> Size:
    return max(0, round(pair[0] * scale)), max(0, round(pair[1] * scale))


def _visible(size: Size) -> Size:
    return max(1, size[0]), max(1, size[1])
