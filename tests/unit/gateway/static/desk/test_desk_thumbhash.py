"""thumbhash.js: the placeholder that is there before the picture."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from consumer.dev.demo.responsive import placeholder
from consumer.pictures.placeholder import thumbhash
from tests.support.desk_modules import called


def clouds(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    red = 128 + 100 * np.sin(columns / width * 4)
    green = 255 * rows / max(1, height - 1)
    blue = 120 + 100 * np.cos((rows + columns) / (width + height) * 6)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype("uint8"), "RGB")


@pytest.mark.parametrize("size", [(64, 64), (96, 54), (40, 90), (100, 10)])
def test_the_browser_decodes_what_the_worker_announced(size: tuple[int, int]) -> None:
    """Its size and pixels are those of the decoder that the responsive HTML uses, but for rounding."""
    announced = thumbhash(clouds(*size))
    (decoded,) = called("thumbhash.js", [("decodeThumbhash", [announced])])
    with Image.open(BytesIO(base64.b64decode(placeholder(announced).partition(",")[2]))) as image:
        expected = np.asarray(image.convert("RGB"), dtype=int)

    assert (decoded["height"], decoded["width"]) == expected.shape[:2]
    pixels = np.array([decoded["pixels"][str(at)] for at in range(len(decoded["pixels"]))])
    assert np.abs(pixels.reshape(*expected.shape[:2], 4)[..., :3] - expected).max() <= 1


@pytest.mark.parametrize("text", ["", "!", "AAAA", base64.b64encode(b"\0\0\x80\0\0").decode()])
def test_what_is_no_opaque_thumbhash_is_left_out(text: str) -> None:
    """Rubbish, a text too short and a transparent one give no placeholder, and no error."""
    assert called("thumbhash.js", [("decodeThumbhash", [text])]) == [None]
