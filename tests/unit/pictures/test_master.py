from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from consumer.jobs import Picture
from consumer.pictures.marks import KEYWORD, SOURCE_TYPE
from consumer.pictures.master import encode, write_png

PRODUCER = "The Daily Harbour"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"


def reopened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def xmp_of(data: bytes) -> ET.Element:
    packet = reopened(data).info[KEYWORD]
    return ET.fromstring(packet)  # noqa: S314 - our own packet


def test_the_stored_bytes_hold_the_same_pixels(picture: Callable[..., Picture]) -> None:
    """What is read back from the stored PNG is, pixel for pixel, what the engine painted."""
    painted = picture(width=48, height=32)
    master = encode(painted, PRODUCER)
    image = reopened(master.data)
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (48, 32))
    assert image.tobytes() == painted.rgb
    assert (master.media_type, master.width, master.height) == ("image/png", 48, 32)


def test_the_stored_bytes_say_that_a_model_made_them(picture: Callable[..., Picture]) -> None:
    """The XMP read back names IPTC's source type for trained models and the model itself."""
    packet = xmp_of(encode(picture(model="swatch"), PRODUCER).data)
    assert packet.findtext(f".//{IPTC}DigitalSourceType") == SOURCE_TYPE
    assert packet.findtext(f".//{IPTC}AISystemUsed") == "swatch"


@given(name=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30))
def test_any_model_name_keeps_the_packet_well_formed(picture: Callable[..., Picture], name: str) -> None:
    """Markup in a model's name is written as text and opens no element."""
    assert xmp_of(encode(picture(model=name), PRODUCER).data).findtext(f".//{IPTC}AISystemUsed") == name


def test_the_stored_bytes_say_srgb_and_nothing_of_the_prompt(picture: Callable[..., Picture]) -> None:
    """The file has the colour space and the mark, and no other text."""
    painted = picture()
    data = encode(painted, PRODUCER).data
    assert set(reopened(data).info) == {"srgb", KEYWORD, "xmp"}
    assert painted.recipe.prompt.encode() not in data


def test_the_same_picture_gives_the_same_bytes(picture: Callable[..., Picture]) -> None:
    """Encoding is deterministic, so the pixels decide the object's name."""
    assert encode(picture(), PRODUCER).sha256 == encode(picture(), PRODUCER).sha256


def test_a_picture_is_written_to_a_new_folder(picture: Callable[..., Picture], tmp_path: Path) -> None:
    """Writing creates a missing folder, and the file is the master."""
    path = tmp_path / "new" / "out.png"
    write_png(path, picture(), PRODUCER)
    assert path.read_bytes() == encode(picture(), PRODUCER).data
