from __future__ import annotations

from pathlib import Path

import pytest

from consumer.errors import Fatal
from consumer.pictures.rendition_file import load_renditions
from consumer.renditions import Encoding, RenditionFormat, RenditionSet
from schemas import Reason

GOOD = """\
thumbs = "thumb"
[sets.hero]
ratio = "16:9"
widths = [960, 640]
largest_bytes = 250_000
slots = ["hero"]
formats.avif = { quality = 60, lowest_quality = 40 }
formats.webp = { quality = 78 }
[sets.thumb]
widths = [320]
formats.webp = { quality = 75 }
"""
TWELVE = ", ".join(map(str, range(100, 1300, 100)))
SIXTEEN = ", ".join(map(str, range(100, 1700, 100)))


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    return tmp_path / "renditions.toml"


def complaint(file: Path, text: str) -> list[str]:
    """Load a bad file; return the lines of the message without the folder."""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Fatal) as fatal:
        load_renditions(file)
    assert fatal.value.reason is Reason.MISCONFIGURED
    return fatal.value.message.replace(f"{file.parent}/", "").split("\n")


def test_the_bundled_sets_are_these_five() -> None:
    """A site without a file of its own gets 13 files of a large picture; AVIF only where pictures are large."""
    file = load_renditions(None)
    assert {each.name: (each.ratio, each.widths) for each in file.full("hero")} == {
        "hero": ((16, 9), (640, 960, 1280, 1920)),
        "landscape": ((4, 3), (960,)),
        "square": ((1, 1), (720,)),
        "social": ((1200, 630), (1200,)),
        "thumb": (None, (320,)),
    }
    assert sum(len(each.widths) * len(each.encodings) for each in file.sets) == 13
    assert [each.name for each in file.sets if each.encodings[0].format is RenditionFormat.AVIF] == [
        "hero",
        "landscape",
    ]
    assert [each.name for each in file.thumbs("teaser-3")] == ["thumb"]


def test_a_file_of_the_site_is_read(file: Path) -> None:
    """Every key arrives; widths are sorted, and a quality without a lowest one does not fall."""
    file.write_text(GOOD, encoding="utf-8")
    hero, thumb = load_renditions(file).sets
    avif, webp = Encoding(RenditionFormat.AVIF, 60, 40), Encoding(RenditionFormat.WEBP, 78, 78)
    assert hero == RenditionSet("hero", (16, 9), (640, 960), (avif, webp), 250_000)
    assert thumb == RenditionSet("thumb", None, (320,), (Encoding(RenditionFormat.WEBP, 75, 75),), None)


def test_a_slot_gets_its_sets(file: Path) -> None:
    """A set that names slots is for those, any other for all; variants get the thumbs alone."""
    file.write_text(GOOD, encoding="utf-8")
    sets = load_renditions(file)
    assert [each.name for each in sets.full("hero")] == ["hero", "thumb"]
    assert [each.name for each in sets.full("teaser")] == ["thumb"]
    assert sets.thumbs("hero") == sets.full("teaser")


@pytest.mark.parametrize("text", ["[sets]", GOOD.replace('thumbs = "thumb"\n', "")])
def test_a_site_may_do_without_thumbs(file: Path, text: str) -> None:
    """Variants get no files then."""
    file.write_text(text, encoding="utf-8")
    assert load_renditions(file).thumbs("hero") == ()


def test_the_version_changes_with_the_content_alone(file: Path) -> None:
    """Comments and the order of keys do not count; everything else does."""
    versions = set()
    for text in (GOOD, "# ours\n" + GOOD.replace("[960, 640]", "[640,960]"), GOOD.replace("= 75", "= 74")):
        file.write_text(text, encoding="utf-8")
        versions.add(load_renditions(file).version)
    assert len(versions) == 2


@pytest.mark.parametrize(
    ("old", "new", "advice"),
    [
        (
            "16:9",
            "0:1",
            """3: sets.hero.ratio: must be width:height, such as "16:9", from 1:10 to 10:1, but is '0:1'""",
        ),
        ("16:9", "100:1", """3: sets.hero.ratio: must be width:height, such as "16:9", from 1:10 to 10:1"""),
        ("16:9", "16/{9}", """3: sets.hero.ratio: must be width:height, such as "16:9", from 1:10 to 10:1"""),
        ('"16:9"', "1.78", "3: sets.hero.ratio: should be a valid string, but is 1.78"),
        ("[960, 640]", "[640, 640]", "4: sets.hero.widths: names a width twice: give each once"),
        ("[960, 640]", "[640.5]", "4: sets.hero.widths.0: should be a valid integer, but is 640.5"),
        ("[960, 640]", "640", "4: sets.hero.widths: should be a valid list, but is 640"),
        ("[320]", "[8]", "10: sets.thumb.widths.0: should be greater than or equal to 16, but is 8"),
        ("[320]", "[]", "10: sets.thumb.widths: is empty: name at least one"),
        ("[320]", f"[{SIXTEEN}]", "10: sets.thumb.widths: has more than 12 widths: remove some"),
        ("250_000", "true", "5: sets.hero.largest_bytes: should be a valid integer, but is True"),
        ("250_000", "12", "5: sets.hero.largest_bytes: should be greater than or equal to 1000, but is 12"),
        ('["hero"]', "[]", "6: sets.hero.slots: is empty: name at least one"),
        ('["hero"]', '["Hero"]', "6: sets.hero.slots.0: should match pattern"),
        (
            "lowest_quality = 40",
            "lowest_quality = 70",
            "7: sets.hero.formats.avif: has a lowest_quality of 70 above its",
        ),
        ("quality = 78", "quality = 0", "8: sets.hero.formats.webp.quality: should be greater than or equal to 1"),
        ("quality = 78", "speed = 9", "8: sets.hero.formats.webp.quality: is missing: add it"),
        ("{ quality = 78 }", "78", "8: sets.hero.formats.webp: is not a table: write { quality = 75 }"),
        (
            "formats.webp = { quality = 78 }",
            "formats.png = { quality = 78 }",
            "8: sets.hero.formats.png: is not a format",
        ),
        ("formats.webp = { quality = 75 }", "", "9: sets.thumb.formats: is missing: add it"),
        (
            "formats.webp = { quality = 75 }",
            'formats = "webp"',
            "11: sets.thumb.formats: is not a table: write { webp =",
        ),
        ("[sets.thumb]", "[sets.Thumb_1]", "9: sets.Thumb_1: should match pattern"),
        (
            "[sets.thumb]",
            "[sets.thumb]\nheight = 9",
            "10: sets.thumb.height: is not a key of a set: remove it, or use one",
        ),
        (
            "[sets.thumb]",
            "[set.hero]\n[sets.thumb]",
            "9: set: is not a key of the file: remove it, or use one of sets, thumbs",
        ),
        ('"thumb"', '"tumb"', "1: thumbs: names no set: use one of hero, thumb"),
        ('"thumb"', '"hero"', "1: thumbs: names a set that not every slot gets: remove `slots` from [sets.hero]"),
        ("[sets.thumb]", "[sets.thumb", "9: is not TOML here"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_key(file: Path, old: str, new: str, advice: str) -> None:
    """The site's developer reads the file, the line, the key and what to do."""
    assert old in GOOD
    assert complaint(file, GOOD.replace(old, new))[0].startswith(f"renditions.toml:{advice}")


def test_a_site_cannot_ask_for_hundreds_of_files(file: Path) -> None:
    """Each is an object and an entry in an event."""
    sets = "".join(f"[sets.s{number}]\nwidths = [{TWELVE}]\nformats.webp.quality = 75\n" for number in range(6))
    assert complaint(file, sets)[0].endswith(
        "sets: ask for 72 files of a picture, and 64 are the most: remove widths or formats"
    )


def test_files_are_counted_for_the_slot_that_gets_most(file: Path) -> None:
    """Sets of different slots are never made of one picture; those of every slot are made beside each."""
    one = f"widths = [{TWELVE}]\nformats.webp.quality = 75\n"
    slots = [f'[sets.s{number}]\nslots = ["slot-{number}"]\n{one}' for number in range(6)]
    file.write_text("".join(slots))
    assert len(load_renditions(file).sets) == 6
    shared = "".join(f"[sets.all{number}]\n{one}" for number in range(5))
    assert "ask for 72 files of a picture" in complaint(file, "".join([*slots, shared]))[0]


def test_every_mistake_is_reported_at_once(file: Path) -> None:
    """Two mistakes are two lines."""
    lines = complaint(file, GOOD.replace("16:9", "9").replace("[320]", "[0]"))
    assert [line.split(": ")[:2] for line in lines] == [
        ["renditions.toml:3", "sets.hero.ratio"],
        ["renditions.toml:10", "sets.thumb.widths.0"],
    ]


def test_a_file_that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    """The message names the variable that points to nothing."""
    with pytest.raises(Fatal, match="let LEADART_RENDITIONS__FILE name a readable file"):
        load_renditions(tmp_path / "none.toml")


def test_an_empty_file_lacks_its_sets(file: Path) -> None:
    """A site that wants no renditions says so with an empty [sets]."""
    assert complaint(file, "") == ["renditions.toml:1: sets: is missing: add it"]


def test_a_pillow_without_an_encoder_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution's own may lack AVIF: no request shall be the one that finds out."""
    monkeypatch.setattr("PIL.features.check", lambda library: library != "avif")
    with pytest.raises(Fatal, match="Pillow cannot write: install one built with avif, or take the formats out"):
        load_renditions()
