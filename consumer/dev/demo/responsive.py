"""HTML for a site from a ready event: the responsive picture with its placeholder and AI badge, and social meta tags.

Needs nothing but Python, so that a CMS may copy it: docs/clients/responsive.py is the same text.
"""

import base64
import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

Json = Mapping[str, Any]
FORMATS = ("image/avif", "image/webp", "image/jpeg", "image/png")
"""Media types, the lightest first."""


def announced_address(file: Json) -> str:
    """Return the announced address of a file. Raises ValueError if it expires: a page outlives it."""
    if file.get("url_expires"):
        raise ValueError(f"{file['key']}: its address expires, so copy the file and pass `address` to name the copy")
    return str(file["url"])


def figure(  # noqa: PLR0913 - what a page may want to say
    ready: Json,
    *,
    index: int = 0,
    shape: str = "hero",
    sizes: str = "100vw",
    first: bool = False,
    badge: str = "AI-generated",
    address: Callable[[Json], str] = announced_address,
) -> str:
    """Return one picture of a ready event's data as a figure.

    `shape` is a rendition set (without its files, the picture itself is shown), `sizes` how wide the page shows it,
    `first` whether it is seen without scrolling, `address` where the page finds a file.
    """
    picture = ready["pictures"][index]
    files = [file for file in picture.get("renditions", ()) if file["set"] == shape]
    sources = "".join(_sources(files, sizes, address))
    is_ai_made = ready.get("disclosure", {}).get("ai_generated", True)
    label = f'<span class="leadart-badge">{escape(badge)}</span>' if is_ai_made else ""
    image = _image(picture, _fallback(picture, files), ready["alt"], first=first, address=address)
    return f'<figure class="leadart"><picture>{sources}{image}</picture>{label}{_caption(ready)}</figure>'


def _caption(ready: Json) -> str:
    """Return the editor's caption, where one was written with the choice, and the credit line."""
    caption, credit = ready.get("caption"), ready.get("disclosure", {}).get("credit_line")
    if not caption:
        return f'<figcaption class="leadart-credit">{escape(credit)}</figcaption>' if credit else ""
    line = f' <span class="leadart-credit">{escape(credit)}</span>' if credit else ""
    return f'<figcaption class="leadart-caption">{escape(caption)}{line}</figcaption>'


def social_tags(ready: Json, *, index: int = 0, address: Callable[[Json], str] = announced_address) -> str:
    """Return the meta tags by which social networks show the picture: its `social` rendition, else the picture."""
    picture = ready["pictures"][index]
    file = _fallback(picture, [file for file in picture.get("renditions", ()) if file["set"] == "social"])
    properties = {
        "og:image": address(file),
        "og:image:type": file["media_type"],
        "og:image:width": file["width"],
        "og:image:height": file["height"],
        "og:image:alt": ready["alt"],
    }
    tags = [f'<meta property="{name}" content="{escape(str(value))}">' for name, value in properties.items()]
    return "\n".join([*tags, '<meta name="twitter:card" content="summary_large_image">'])


def placeholder(thumbhash: str) -> str:
    """Return a ThumbHash (base64) as a PNG of at most 32x32 in a data URL. Raises ValueError for other text."""
    width, height, pixels = _decoded(base64.b64decode(thumbhash, validate=True))
    rows = b"".join(b"\0" + pixels[at : at + 3 * width] for at in range(0, len(pixels), 3 * width))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(rows, 9), b"IEND": b""}
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _sources(files: list[Json], sizes: str, address: Callable[[Json], str]) -> Iterator[str]:
    for media_type in FORMATS:
        found = sorted((file for file in files if file["media_type"] == media_type), key=lambda file: file["width"])
        if found:
            candidates = ", ".join(f"{_in_srcset(address(file))} {file['width']}w" for file in found)
            yield f'<source type="{media_type}" srcset="{escape(candidates)}" sizes="{escape(sizes)}">'


def _in_srcset(address: str) -> str:
    """Return the address without what would end it in a srcset: blanks, and commas at its ends."""
    inner = re.sub(r"[ \t\n\f\r]", lambda blank: f"%{ord(blank[0]):02X}", address)
    return re.sub(r"^,+|,+$", lambda commas: "%2C" * len(commas[0]), inner)


def _fallback(picture: Json, files: list[Json]) -> Json:
    """Return the widest file of the format that most programs read; AVIF is not it, the picture itself is."""
    readable = [file for file in files if file["media_type"] in FORMATS[1:]]
    return max(readable, key=lambda file: (FORMATS.index(file["media_type"]), file["width"]), default=picture)


def _image(picture: Json, file: Json, alt: str, *, first: bool, address: Callable[[Json], str]) -> str:
    haste = 'fetchpriority="high"' if first else 'loading="lazy"'
    return (
        f'<img src="{escape(address(file))}" alt="{escape(alt)}" width="{file["width"]}" height="{file["height"]}" '
        f'{haste} decoding="async" style="{";".join(_style(picture, file))}">'
    )


def _style(picture: Json, file: Json) -> Iterator[str]:
    """Yield what a browser shows until the file is there, and which part it keeps where the page's CSS crops it."""
    whole = {"x": 0, "y": 0, "width": picture["width"], "height": picture["height"]}
    crop = file.get("crop", whole)
    colour, thumbhash, focus = (picture.get(name) for name in ("dominant_colour", "thumbhash", "focal_point"))
    if colour and re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        yield f"background-color:{colour}"
    if thumbhash:  # of the whole picture: enlarged and moved so that its part lies under the crop
        across, down = (_percent(whole[side] / crop[side]) for side in ("width", "height"))
        left = _percent(crop["x"] / max(1, whole["width"] - crop["width"]))
        top = _percent(crop["y"] / max(1, whole["height"] - crop["height"]))
        yield f"background-image:url({placeholder(thumbhash)})"
        yield f"background-size:{across} {down};background-position:{left} {top}"
    if focus:
        x = (focus["x"] * whole["width"] - crop["x"]) / crop["width"]
        y = (focus["y"] * whole["height"] - crop["y"]) / crop["height"]
        yield f"object-position:{_percent(min(1, max(0, x)))} {_percent(min(1, max(0, y)))}"


def _percent(share: float) -> str:
    return f"{math.floor(share * 10000 + 0.5) / 100:g}%"


def _decoded(code: bytes) -> tuple[int, int, bytes]:
    """Return width, height and RGB pixels of a ThumbHash, as its author's program decodes it."""
    if len(code) < 5 or code[2] >> 7:
        raise ValueError("no ThumbHash of an opaque picture")
    head, tail = int.from_bytes(code[:3], "little"), int.from_bytes(code[3:5], "little")
    columns, rows = (7, tail & 7) if tail >> 15 else (tail & 7, 7)
    longest = max(columns, rows)
    width, height = round(32 * columns / longest), round(32 * rows / longest)
    waves = ((byte >> shift & 15) / 7.5 - 1 for byte in code[5:] for shift in (0, 4))
    grids = ((max(3, columns), max(3, rows)), (3, 3), (3, 3))
    means = ((head & 63) / 63, (head >> 6 & 63) / 31.5 - 1, (head >> 12 & 63) / 31.5 - 1)
    scales = ((head >> 18 & 31) / 31, (tail >> 3 & 63) / 63 * 1.25, (tail >> 9 & 63) / 63 * 1.25)
    light, yellow, red = (
        _channel(mean, [(x, y, 2 * scale * next(waves, 0.0)) for x, y in _frequencies(*grid)], width, height)
        for mean, scale, grid in zip(means, scales, grids, strict=True)
    )
    pixels = bytearray()
    for lightness, yellowness, redness in zip(light, yellow, red, strict=True):
        b = lightness - 2 / 3 * yellowness
        r = (3 * lightness - b + redness) / 2
        pixels += bytes(int(255 * min(1, max(0, value))) for value in (r, r - redness, b))
    return width, height, bytes(pixels)


def _frequencies(columns: int, rows: int) -> Iterator[tuple[int, int]]:
    for y in range(rows):
        for x in range(0 if y else 1, columns):
            if x * rows < columns * (rows - y):
                yield x, y


def _channel(mean: float, waves: list[tuple[int, int, float]], width: int, height: int) -> list[float]:
    """Return a channel's values, row by row: the mean and the cosine waves over it."""
    across = [[math.cos(math.pi / width * (x + 0.5) * n) for n in range(8)] for x in range(width)]
    down = [[math.cos(math.pi / height * (y + 0.5) * n) for n in range(8)] for y in range(height)]
    return [mean + sum(high * row[m] * column[n] for n, m, high in waves) for row in down for column in across]
