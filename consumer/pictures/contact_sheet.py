"""Contact sheets: captioned pictures side by side in one PNG."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from consumer.jobs import Picture
from consumer.pictures.marks import Marks
from consumer.pictures.master import open_picture, png

_MARGIN = 16
_CAPTION = 32
_PAPER = (250, 249, 246)
_INK = (34, 34, 34)


def contact_sheet(pictures: Sequence[tuple[str, Picture]], columns: int, producer: str) -> bytes:
    """Return a PNG of (caption, picture) pairs in reading order, `columns` per row, unscaled, marked as AI-made.

    Captions are cut at the picture's width and limited to Latin letters (Pillow's own font). Raises ValueError without
    a picture or a column.
    """
    if not pictures or columns < 1:
        raise ValueError("a contact sheet needs at least one picture and one column")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    cell_width = max(picture.width for _, picture in pictures)
    cell_height = max(picture.height for _, picture in pictures) + _CAPTION
    size = (columns * (cell_width + _MARGIN) + _MARGIN, rows * (cell_height + _MARGIN) + _MARGIN)
    sheet = Image.new("RGB", size, _PAPER)
    for index, (caption, picture) in enumerate(pictures):
        row, column = divmod(index, columns)
        corner = (_MARGIN + column * (cell_width + _MARGIN), _MARGIN + row * (cell_height + _MARGIN))
        sheet.paste(_cell(caption, picture), corner)
    models = ", ".join(sorted({picture.recipe.model.name for _, picture in pictures}))
    return png(sheet, Marks(models, producer).xmp())


def _cell(caption: str, picture: Picture) -> Image.Image:
    cell = Image.new("RGB", (picture.width, picture.height + _CAPTION), _PAPER)
    cell.paste(open_picture(picture), (0, 0))
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(cell).text((0, picture.height + 6), caption, fill=_INK, font=font)
    return cell
