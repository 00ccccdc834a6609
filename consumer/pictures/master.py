"""The master: a painted picture as a PNG, whole and without loss, in sRGB and marked as AI-made."""

from io import BytesIO
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from consumer.jobs import Master, Picture
from consumer.pictures.marks import KEYWORD, Marks

_COMPRESS_LEVEL = 3  # a third of the default level's time for a few per cent more bytes
_PERCEPTUAL = b"\0"


def open_picture(picture: Picture) -> Image.Image:
    """Return the picture as a Pillow image."""
    return Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)


def png(image: Image.Image, xmp: str) -> bytes:
    """Return `image` as an sRGB PNG with these marks. Deterministic."""
    info = PngInfo()
    info.add(b"sRGB", _PERCEPTUAL)
    if xmp:
        info.add_itxt(KEYWORD, xmp)
    buffer = BytesIO()
    image.save(buffer, "PNG", pnginfo=info, compress_level=_COMPRESS_LEVEL)
    return buffer.getvalue()


def encode(picture: Picture, producer: str) -> Master:
    """Return the picture's master. Deterministic in pixels, recipe and producer."""
    recipe = picture.recipe
    marks = Marks(recipe.model.name, producer, model_sha256=recipe.model.sha256, recipe=recipe.digest)
    data = png(open_picture(picture), marks.xmp())
    return Master(data, "image/png", picture.width, picture.height, prompt_cut=picture.prompt_cut, focus=picture.focus)


def write_png(path: Path, picture: Picture, producer: str) -> None:
    """Write the picture's master to a file, creating its folder if missing. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(picture, producer).data)
