from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import Fatal, Rejected
from consumer.processing.styles import StylePreset, WantedAdapter, load_styles, require_adapters
from consumer.settings import EngineKind
from schemas import Reason

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


def test_the_bundled_styles_are_these_five() -> None:
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


def test_titles_of_other_languages_are_read(file: Path) -> None:
    """They are optional, and in either notation of TOML."""
    file.write_text(GOOD, encoding="utf-8")
    assert load_styles(file).get("default").titles == {}
    file.write_text(GOOD + 'titles.zh = "油画"\ntitles.de = "Ölgemälde"\n', encoding="utf-8")
    assert load_styles(file).get("default").titles == {"zh": "油画", "de": "Ölgemälde"}


def test_adapters_are_read_in_both_notations(file: Path) -> None:
    """A LoRA without a strength has its own, and a table each is as good as a list of them."""
    inline = 'adapters = [{ name = "print-house", scale = 0.8 }, { name = "Grain.v2" }]\n'
    tables = '[[default.adapters]]\nname = "print-house"\nscale = 0.8\n[[default.adapters]]\nname = "Grain.v2"\n'
    for text in (inline, tables):
        file.write_text(GOOD + text, encoding="utf-8")
        wanted = (WantedAdapter("print-house", 0.8), WantedAdapter("Grain.v2", 1.0))
        assert load_styles(file).get("default").adapters == wanted


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ('[{ name = "a", scale = 3 }]', "default.adapters.0.scale: should be less than or equal to 2, but is 3"),
        ('[{ name = "a", scale = "1" }]', "default.adapters.0.scale: should be a valid number, but is '1'"),
        ('[{ name = "a", scale = nan }]', "default.adapters.0.scale: should be a finite number"),
        ('[{ name = "a" }, { name = "b/../c" }]', "default.adapters.1.name: should match pattern"),
        (
            '[{ name = "a", weight = 1 }]',
            "default.adapters.0.weight: is not a key of an adapter: remove it, or use one",
        ),
        ("[{ scale = 1 }]", "default.adapters.0.name: is missing: add it"),
        ('["print-house"]', 'default.adapters.0: is not a table: write { name = "its-file", scale = 1.0 }'),
        ('"print-house"', "default.adapters: should be a valid list, but is 'print-house'"),
        ('[{ name = "a" }, { name = "a", scale = 2 }]', "default.adapters: names an adapter twice"),
        (
            '[{ name = "a" }, { name = "b" }, { name = "c" }, { name = "d" }, { name = "e" }]',
            "default.adapters: names more than 4 adapters",
        ),
    ],
)
def test_a_mistake_about_adapters_is_reported_with_its_line_and_key(file: Path, text: str, advice: str) -> None:
    """The designer reads the line, which adapter it is, counted from 0, and what to do."""
    assert complaint(file, f"{GOOD}adapters = {text}\n")[0].startswith(f"styles.toml:13: {advice}")


def test_a_mistake_in_an_adapters_table_is_reported_with_its_own_line(file: Path) -> None:
    """In a table for each adapter the line is that of the wrong key, not that of the first table."""
    tables = '[[default.adapters]]\nname = "a"\n[[default.adapters]]\nname = "b"\nscale = 9\n'
    assert complaint(file, GOOD + tables)[0].startswith("styles.toml:17: default.adapters.1.scale: should be less than")


def test_every_adapter_that_the_engine_lacks_is_named(file: Path) -> None:
    """The operator reads the style, the adapter, the setting and what the engine does have."""
    file.write_text(GOOD + 'adapters = [{ name = "print-house" }, { name = "grain" }]\n', encoding="utf-8")
    presets = load_styles(file).presets.values()
    with pytest.raises(Fatal) as fatal:
        require_adapters(presets, EngineKind.ZIMAGE, ["grain", "ink"])

    assert fatal.value.reason is Reason.MISCONFIGURED
    assert fatal.value.message == (
        "The style 'default' names the adapter 'print-house', but the engine has grain, ink: put "
        "print-house.safetensors into the folder that LEADART_ENGINE__ADAPTERS names, or take it out of the style."
    )
    with pytest.raises(Fatal, match=r"has none.*\n.*'grain'"):
        require_adapters(presets, EngineKind.ZIMAGE, [])


def test_the_swatch_engine_needs_no_adapter(file: Path) -> None:
    """A CMS team works with its site's styles on a laptop that has none of its files."""
    file.write_text(GOOD + 'adapters = [{ name = "print-house" }]\n', encoding="utf-8")
    require_adapters(load_styles(file).presets.values(), EngineKind.SWATCH, [])


def test_a_file_saved_on_windows_is_read(file: Path) -> None:
    """A byte order mark and carriage returns are no mistake."""
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_styles(file).get("default").template == "{subject}. Calm."


def test_no_name_is_the_default() -> None:
    """A request that names no preset gets the site's default."""
    styles = load_styles(None)
    assert styles.get(None) is styles.get("default")


def test_an_unknown_name_is_rejected_with_those_known() -> None:
    """The publisher learns the field and every known name."""
    with pytest.raises(Rejected, match="default, photorealistic, illustration, anime, oil_painting") as rejected:
        load_styles(None).get("Anime")
    assert (rejected.value.reason, rejected.value.field) == (Reason.UNKNOWN_STYLE, "style.preset")


@given(st.text())
def test_the_subject_is_put_in_as_it_is(subject: str) -> None:
    """Braces and backslashes in a subject mean nothing to the template."""
    style = load_styles(None).get("oil_painting")
    assert style.prompt(subject, "en") == subject + style.template.removeprefix("{subject}")


@given(st.text(), st.sampled_from(["en", "zh", "de"]), st.sampled_from(list(load_styles(None).presets.values())))
def test_the_subject_is_found_again_in_a_prompt(subject: str, language: str, style: StylePreset) -> None:
    """A re-crop knows by it what a stored picture was asked to show, in whatever language that was."""
    assert style.subject_in(style.prompt(subject, language)) == subject


@pytest.mark.parametrize(
    "prompt", ["", "a harbour", "{subject}", ". Calm.", "a harbour. An oil painting.", "港口。沉稳"]
)
def test_a_prompt_of_another_template_has_no_subject(file: Path, prompt: str) -> None:
    """Nothing is guessed where the style's words were others when the picture was made."""
    file.write_text(GOOD.replace('"{subject}. Calm."', '"Of {subject}. Calm."'), encoding="utf-8")
    style = load_styles(file).get(None)
    assert style.subject_in(prompt) is None
    assert style.subject_in("Of . Calm.") == ""


def test_the_longest_template_that_fits_is_taken_off(file: Path) -> None:
    """One template may end like another."""
    file.write_text(GOOD.replace("{subject}。沉稳。", "{subject}, in Ruhe. Calm."), encoding="utf-8")
    style = load_styles(file).get(None)
    assert style.subject_in(style.prompt("Hafen", "zh")) == "Hafen"
    assert style.subject_in(style.prompt("harbour", "en")) == "harbour"


def test_a_language_without_a_template_gets_the_main_one() -> None:
    """A German article is painted with the English template."""
    style = load_styles(None).get(None)
    assert style.prompt("Hafen", "de") == style.prompt("Hafen", "en")


@pytest.mark.parametrize(
    ("old", "new", "advice"),
    [
        ("steps = 20", "steps = 0", "styles.toml:9: default.steps: should be greater than or equal to 1, but is 0"),
        ("steps = 20", 'steps = "20"', "styles.toml:9: default.steps: should be a valid integer, but is '20'"),
        ("width = 768", "width = 50", "styles.toml:11: default.width: is 50: width and height may be 64 to 2048 each"),
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
            "styles.toml:1: default: is too large at 2048x2048: width and height may be",
        ),
        (
            "version = 2",
            'version = 2\ntitles.Chinese = "画"',
            "styles.toml:5: default.titles.Chinese: should match pattern",
        ),
        (
            "version = 2",
            'version = 2\ntitles = { zh = "" }',
            "styles.toml:5: default.titles.zh: should have at least 1",
        ),
        ("version = 2", 'version = 2\ntitles = "画"', "styles.toml:5: default.titles: is not a table"),
        ("steps = 20", "steps = = 20", "styles.toml:9: is not TOML here"),
        ("height = 512\n", "sizes = [1,\n2", "styles.toml:13: is not TOML here"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_key(file: Path, old: str, new: str, advice: str) -> None:
    """The designer reads the file, the line, the key and what to do."""
    assert old in GOOD
    assert complaint(file, GOOD.replace(old, new))[0].startswith(advice)


def test_every_mistake_is_reported_at_once(file: Path) -> None:
    """Three mistakes in two tables are three lines; a template of several lines is reported where it begins."""
    second = GOOD.replace("[default]", "[calm]").replace('"{subject}. Calm."', '"""\n{subject}\n{subject}\n"""')
    lines = complaint(file, GOOD.replace("steps = 20", "steps = 999") + "\n# the second\n" + second + "colour = 1\n")
    assert [line.split(": ")[:2] for line in lines] == [
        ["styles.toml:9", "default.steps"],
        ["styles.toml:20", "calm.template"],
        ["styles.toml:30", "calm.colour"],
    ]


def test_text_that_is_not_utf8_is_reported_with_its_line(file: Path) -> None:
    """A file in another encoding says where it begins to differ."""
    assert complaint(file, GOOD.encode().replace(b"Calm.", b"Ruh\xe9", 1)) == [
        "styles.toml:3: is not UTF-8: save the file in that encoding"
    ]


def test_a_file_that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    """The message names the variable that points to nothing."""
    with pytest.raises(Fatal, match="LEADART_STYLES__FILE"):
        load_styles(tmp_path / "none.toml")


def test_an_empty_file_has_no_default(file: Path) -> None:
    """The message says what an empty file lacks."""
    assert complaint(file, "") == ["styles.toml:1: must have a [default] table, for requests that name no preset"]
