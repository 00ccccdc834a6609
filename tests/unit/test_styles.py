from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import Fatal, Rejected
from consumer.styles import load_styles
from schemas import Reason

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
[default]
title = "House"
description = "Calm."
version = 2
photorealistic = false
template = "{subject}. Calm."
translations.zh = "{subject}。沉稳。"
negative = "logo"
steps = 20
guidance_scale = 3
width = 768
height = 512
"""


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    return tmp_path / "styles.toml"


def complaint(file: Path, text: str | bytes) -> list[str]:
    """Load a bad file; return the lines of the message without the folder."""
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(Fatal) as fatal:
        load_styles(file)
    assert fatal.value.reason is Reason.MISCONFIGURED
    return fatal.value.message.replace(f"{file.parent}/", "").split("\n")


def test_the_styles_that_ship_are_the_five_of_the_house() -> None:
    """A worker without a file of its own has the five presets, each in English and Chinese."""
    presets = load_styles(None).presets
    assert list(presets) == ["default", "photorealistic", "illustration", "anime", "oil_painting"]
    for style in presets.values():
        assert style.prompt("a harbour", "en").startswith("a harbour. ")
        assert style.prompt("港口", "zh").startswith("港口。")
        assert style.version >= 1
    assert [name for name, style in presets.items() if style.photorealistic] == ["photorealistic"]


def test_a_file_of_the_house_is_read(file: Path) -> None:
    """Every key of a style arrives, whole numbers where decimals are meant included."""
    file.write_text(GOOD, encoding="utf-8")
    style = load_styles(file).get("default")
    assert (style.title, style.version, style.photorealistic, style.negative) == ("House", 2, False, "logo")
    assert (style.steps, style.guidance_scale, style.width, style.height) == (20, 3.0, 768, 512)


def test_a_file_saved_on_windows_is_read(file: Path) -> None:
    """A byte order mark and carriage returns are no mistake."""
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_styles(file).get("default").template == "{subject}. Calm."


def test_no_name_is_the_default() -> None:
    """A request that names no preset gets the house's default."""
    styles = load_styles(None)
    assert styles.get(None) is styles.get("default")


def test_an_unknown_name_is_rejected_with_those_known() -> None:
    """The publisher is told the field and every name there is."""
    with pytest.raises(Rejected, match="default, photorealistic, illustration, anime, oil_painting") as rejected:
        load_styles(None).get("Anime")
    assert (rejected.value.reason, rejected.value.field) == (Reason.UNKNOWN_STYLE, "style.preset")


@given(st.text())
def test_the_subject_is_put_in_as_it_is(subject: str) -> None:
    """Braces and backslashes in a subject mean nothing to the template."""
    style = load_styles(None).get("oil_painting")
    assert style.prompt(subject, "en") == subject + style.template.removeprefix("{subject}")


def test_a_language_without_a_template_gets_the_main_one() -> None:
    """A German article is painted with the English template."""
    style = load_styles(None).get(None)
    assert style.prompt("Hafen", "de") == style.prompt("Hafen", "en")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("steps = 20", "steps = 0", "styles.toml:9: default.steps: should be greater than or equal to 1, but is 0"),
        ("steps = 20", 'steps = "20"', "styles.toml:9: default.steps: should be a valid integer, but is '20'"),
        ("width = 768", "width = 500", "styles.toml:11: default.width: should be a multiple of 16, but is 500"),
        (
            "steps = 20",
            "stepps = 20",
            "styles.toml:9: default.stepps: is not a key of a style: remove it, or use one of",
        ),
        ("version = 2\n", "", "styles.toml:1: default.version: is missing: add it"),
        ("version = 2", "version = 0", "styles.toml:4: default.version: should be greater than or equal to 1"),
        (
            ". Calm.",
            ". {mood}",
            "styles.toml:6: default.template: must have {subject} exactly once and no other braces",
        ),
        ("{subject}。", "", "styles.toml:7: default.translations.zh: must have {subject} exactly once"),
        ("s.zh", "s.Chinese", "styles.toml:7: default.translations.Chinese: should match pattern"),
        ("[default]", "[Default!]", "styles.toml:1: is not TOML here"),
        ("[default]", "[calm]", "styles.toml:1: must have a [default] table"),
        ("[default]", "x = 1\n[default]", "styles.toml:1: x: is not a table: write [x] and its keys below"),
        (
            "width = 768\nheight = 512",
            "width = 2048\nheight = 2048",
            "styles.toml:1: default: is too large: width times",
        ),
        ("steps = 20", "steps = = 20", "styles.toml:9: is not TOML here"),
        ("height = 512\n", "sizes = [1,\n2", "styles.toml:13: is not TOML here"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(file: Path, old: str, new: str, told: str) -> None:
    """The designer reads the file, the line, the key and what to do."""
    assert old in GOOD
    assert complaint(file, GOOD.replace(old, new))[0].startswith(told)


def test_every_mistake_is_told_at_once(file: Path) -> None:
    """Three mistakes in two tables are three lines; a template of several lines is told where it begins."""
    second = GOOD.replace("[default]", "[calm]").replace('"{subject}. Calm."', '"""\n{subject}\n{subject}\n"""')
    told = complaint(file, GOOD.replace("steps = 20", "steps = 999") + "\n# the second\n" + second + "colour = 1\n")
    assert [line.split(": ")[:2] for line in told] == [
        ["styles.toml:9", "default.steps"],
        ["styles.toml:20", "calm.template"],
        ["styles.toml:30", "calm.colour"],
    ]


def test_text_that_is_not_utf8_is_told_with_its_line(file: Path) -> None:
    """A file in another encoding says where it begins to differ."""
    assert complaint(file, GOOD.encode().replace(b"Calm.", b"Ruh\xe9", 1)) == [
        "styles.toml:3: is not UTF-8: save the file in that encoding"
    ]


def test_a_file_that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    """The operator is told which variable points to nothing."""
    with pytest.raises(Fatal, match="LEADART_STYLES__FILE"):
        load_styles(tmp_path / "none.toml")


def test_an_empty_file_has_no_default(file: Path) -> None:
    """An empty file is told what it lacks."""
    assert complaint(file, "") == ["styles.toml:1: must have a [default] table, for requests that name no preset"]
