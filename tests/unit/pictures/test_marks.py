"""Marks read back by others: Pillow, exiftool and exiv2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from consumer.jobs import FILE_SUFFIXES, Picture
from consumer.pictures.marks import SOURCE_TYPE, Marks, taken_over
from consumer.pictures.master import encode, png
from consumer.pictures.rendering import render
from consumer.renditions import CENTRE, Encoding, RenditionFormat, RenditionOrder, RenditionSet
from tests.support.mark_readers import by_exiftool, by_exiv2

PRODUCER = "The Daily Harbour & Söhne 港"
ALL = RenditionSet("hero", (16, 9), (64,), tuple(Encoding(each, 70, 70) for each in RenditionFormat))
MARKS = Marks("Z-Image", PRODUCER, model_sha256="ab" * 32, recipe="cd" * 32)
OLD = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
   <xmp:CreatorTool>leadart</xmp:CreatorTool>
   <Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>
   <Iptc4xmpExt:AISystemUsed>Q&amp;A model</Iptc4xmpExt:AISystemUsed>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def told(xmp: str) -> dict[str, str]:
    """Return the properties of a packet by their local names."""
    packet = ET.fromstring(xmp)  # noqa: S314 - our own packet
    return {element.tag.rpartition("}")[2]: element.text or "" for element in packet.iter() if element.text}


def label(recipe: str, producer: str = PRODUCER) -> dict[str, str]:
    """Return TC260's label with every field it has to have."""
    return {
        "Label": "1",
        "ContentProducer": producer,
        "ProduceID": recipe,
        "ReservedCode1": "",
        "ContentPropagator": producer,
        "PropagateID": recipe,
        "ReservedCode2": "",
    }


@pytest.fixture(name="files")
def _files(picture: Callable[..., Picture], tmp_path: Path) -> dict[Path, Picture]:
    """A master and its renditions in all formats, as files."""
    painted = picture(width=128, height=80, model="Z-Image <turbo>")
    master = encode(painted, PRODUCER).data
    rendered = render(master, RenditionOrder((ALL,), CENTRE), PRODUCER).renditions
    contents = {"png": master, **{FILE_SUFFIXES[each.media_type]: each.data for each in rendered}}
    assert list(contents) == ["png", "avif", "webp", "jpg"]
    for suffix, data in contents.items():
        (tmp_path / f"picture.{suffix}").write_bytes(data)
    return {tmp_path / f"picture.{suffix}": painted for suffix in contents}


def test_exiftool_reads_the_marks_of_every_format(files: dict[Path, Picture]) -> None:
    """PNG, AVIF, WebP and JPEG alike: IPTC's three properties and TC260's label, by an independent reader."""
    found = by_exiftool(files)
    assert found.keys() == files.keys()
    for file, marks in found.items():
        assert_marked(marks, files[file])


def test_exiv2_reads_the_marks_of_every_format(files: dict[Path, Picture]) -> None:
    """The same by a second reader, which many picture desks' tools are built on."""
    for file, painted in files.items():
        assert_marked(by_exiv2(file), painted)


def assert_marked(marks: dict[str, Any], painted: Picture) -> None:
    assert marks["DigitalSourceType"] == SOURCE_TYPE
    assert marks["AISystemUsed"] == "Z-Image <turbo>"
    assert marks["AISystemVersionUsed"] == painted.recipe.model.sha256[:16]
    assert json.loads(marks["AIGC"]) == label(painted.recipe.digest)


def test_no_file_has_a_prompt_or_other_metadata(files: dict[Path, Picture]) -> None:
    """Prompts reveal stories that are not yet published; cameras and people have no part in the picture."""
    for file, painted in files.items():
        assert painted.recipe.prompt.encode() not in file.read_bytes()
    assert by_exiftool(files, "EXIF", "IPTC", "ICC_Profile") == {file: {} for file in files}


def test_the_packet_says_all_there_is_to_say() -> None:
    """Both marks with every field; the recipe's digest is the picture's id."""
    said = told(MARKS.xmp())
    assert said["DigitalSourceType"] == SOURCE_TYPE
    assert (said["AISystemUsed"], said["AISystemVersionUsed"]) == ("Z-Image", "ab" * 8)
    assert json.loads(said["AIGC"]) == label("cd" * 32)


def test_two_recipes_never_share_their_bytes(picture: Callable[..., Picture]) -> None:
    """Equal pixels of different requests are objects of their own, so that one can be withdrawn."""
    first, second = picture(model="a"), picture(model="b")
    assert first.rgb == second.rgb
    assert encode(first, PRODUCER).data != encode(second, PRODUCER).data


@given(model=st.text(max_size=30), producer=st.text(max_size=30))
def test_any_text_keeps_the_packet_well_formed(model: str, producer: str) -> None:
    """Markup is text and opens no element; control characters, which XML cannot write, are blanks."""
    said = told(Marks(model, producer).xmp())
    assert said.get("AISystemUsed", "") == "".join(each if each.isprintable() else " " for each in model)
    assert json.loads(said["AIGC"])["Label"] == "1"


def test_renditions_of_an_old_master_get_the_marks_of_today() -> None:
    """Its packet names the model only: the label is added, without a digest that nobody knows."""
    said = told(taken_over(OLD, PRODUCER))
    assert (said["DigitalSourceType"], said["AISystemUsed"]) == (SOURCE_TYPE, "Q&A model")
    assert json.loads(said["AIGC"]) == label("")


@pytest.mark.parametrize("xmp", ["", "<x:xmpmeta>of somebody else</x:xmpmeta>", MARKS.xmp()])
def test_other_marks_are_taken_over_as_they_are(xmp: str) -> None:
    """Marks of later versions or of other tools are not touched, and none are made up."""
    assert taken_over(xmp, "Somebody") == xmp


def test_a_png_without_marks_has_no_empty_chunk() -> None:
    """A sheet of a picture that is not AI-made says nothing."""
    assert b"xmp" not in png(Image.new("RGB", (8, 8)), "")
