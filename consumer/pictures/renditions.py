"""Pictures as files: the PNG master as it is stored, contact sheets, and what the bytes of a picture are.

The master is in sRGB and marked as AI-generated. The mark names the model, never the prompt: prompts reveal stories not
yet published.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from consumer.jobs import Master, Picture

_COMPRESS_LEVEL = 3  # a third of the default level's time for a few per cent more bytes
_PERCEPTUAL = b"\0"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media created entirely by a trained model."""

KEYWORD = "XML:com.adobe.xmp"
"""Keyword of the PNG iTXt chunk that holds XMP."""

_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
   <xmp:CreatorTool>leadart</xmp:CreatorTool>
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
   <Iptc4xmpExt:AISystemUsed>{model}</Iptc4xmpExt:AISystemUsed>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""

_MARGIN = 16
_CAPTION = 32
_PAPER = (250, 249, 246)
_INK = (34, 34, 34)


def open_picture(picture: Picture) -> Image.Image:
    """Return the picture as a Pillow image."""
    return Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)


def png(image: Image.Image, model: str) -> bytes:
    """Return `image` as an sRGB PNG marked as made by `model`. Deterministic."""
    info = PngInfo()
    info.add(b"sRGB", _PERCEPTUAL)
    info.add_itxt(KEYWORD, xmp(model))
    buffer = BytesIO()
    image.save(buffer, "PNG", pnginfo=info, compress_level=_COMPRESS_LEVEL)
    return buffer.getvalue()


def encode(picture: Picture) -> Master:
    """Return the picture's master, a PNG. Deterministic in pixels and model."""
    data = png(open_picture(picture), picture.recipe.model.name)
    return Master(data, "image/png", picture.width, picture.height, prompt_cut=picture.prompt_cut, focus=picture.focus)


def write_png(path: Path, picture: Picture) -> None:
    """Write the picture's master to a file, creating its folder if missing. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(picture).data)


def xmp(model: str) -> str:
    """Return the XMP packet for a picture painted by `model`. Deterministic."""
    return _PACKET.format(source_type=SOURCE_TYPE, model=escape(model))


def contact_sheet(pictures: Sequence[tuple[str, Picture]], columns: int) -> bytes:
    """Return a PNG of (caption, picture) pairs in reading order, `columns` per row, unscaled.

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
    return png(sheet, ", ".join(sorted({picture.recipe.model.name for _, picture in pictures})))


def _cell(caption: str, picture: Picture) -> Image.Image:
    cell = Image.new("RGB", (picture.width, picture.height + _CAPTION), _PAPER)
    cell.paste(open_picture(picture), (0, 0))
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(cell).text((0, picture.height + 6), caption, fill=_INK, font=font)
    return cell


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Media type and size in pixels, from the decoder."""

    media_type: str
    width: int
    height: int


def measure(data: bytes) -> ImageFacts:
    """Decode a picture and return its facts. Raises ValueError for bytes that are not a complete picture."""
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            return ImageFacts(Image.MIME.get(image.format or "", "unknown"), *image.size)
    except (OSError, SyntaxError) as error:  # SyntaxError: Pillow's for a broken PNG
        raise ValueError(f"not a picture: {error}") from error
