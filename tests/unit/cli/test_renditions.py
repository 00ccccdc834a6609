"""`leadart renditions` and `leadart crop`, on files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from consumer.cli.root import app
from consumer.errors import Rejected
from consumer.pictures.decoding import ImageFacts, measure
from consumer.pictures.rendition_file import load_renditions

SETS = """\
thumbs = "thumb"
[sets.square]
ratio = "1:1"
widths = [32, 500]
slots = ["hero"]
largest_bytes = 5000
formats.jpeg = { quality = 80, lowest_quality = 60 }
[sets.thumb]
widths = [16]
formats.webp.quality = 75
"""


@pytest.fixture(autouse=True)
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    monkeypatch.setenv("LEADART_RENDITIONS__FILE", str(tmp_path / "renditions.toml"))
    (tmp_path / "renditions.toml").write_text(SETS, encoding="utf-8")
    Image.linear_gradient("L").resize((96, 64)).convert("RGB").save("picture.png")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_the_sets_are_listed() -> None:
    """One line each, with everything that the file says."""
    lines = run("renditions").output.splitlines()
    (square,) = [line for line in lines if "square" in line]
    (thumb,) = [line for line in lines if "thumb (thumbs)" in line]
    for cell in ("1:1", "32 500", "jpeg 80-60", "5,000", "hero"):
        assert cell in square
    for cell in ("as it is", "webp 75 ", "any size", "all"):
        assert cell in thumb


def test_the_sets_are_listed_for_programs() -> None:
    """With the version that changes with the file."""
    told = json.loads(run("renditions", "--json").output)
    assert (told["version"], told["thumbs"]) == (load_renditions(Path("renditions.toml")).version, "thumb")
    assert [(each["name"], each["ratio"], each["slots"]) for each in told["sets"]] == [
        ("square", "1:1", ["hero"]),
        ("thumb", None, None),
    ]


def test_a_picture_is_cropped_into_files() -> None:
    """Each has the size that is told; a width above the picture's is named."""
    done = run("crop", "picture.png", "--focal", "1,0", "-o", "new/folder")
    assert done.exit_code == 0
    assert "64x64 at 32,0" in done.output
    assert "wider than the picture, so not made: square-500" in done.stderr
    assert {file.name: measure(file.read_bytes()) for file in Path("new/folder").iterdir()} == {
        "square-32.jpg": ImageFacts("image/jpeg", 32, 32),
        "thumb-16.webp": ImageFacts("image/webp", 16, 11),
    }


def test_a_crop_is_told_to_programs() -> None:
    """Explicit crops and single sets, as JSON."""
    done = run("crop", "picture.png", "-o", "out", "--set", "square", "--crop", "square=1,2,40,40", "--json")
    told = json.loads(done.output)
    (file,) = told["renditions"]
    data = Path(file["file"]).read_bytes()
    assert (file["file"], file["bytes"], file["crop"]) == (
        "out/square-32.jpg",
        len(data),
        {"x": 1, "y": 2, "width": 40, "height": 40},
    )
    assert [each["name"] for each in told["missing"]] == ["square-500"]


def test_a_sheet_shows_every_crop() -> None:
    """A PNG with a cell for each set."""
    assert "wrote sheets/all.png" in run("renditions", "--sheet", "sheets/all.png", "picture.png").output
    assert measure(Path("sheets/all.png").read_bytes()).width == 2 * (360 + 20) + 20


@pytest.mark.parametrize("focal", ["nan,0.5", "1.2,0.5", "-0.1,0", "a,b", "0.5", "0.1,0.2,0.3", "", "inf,0"])
def test_a_wrong_focal_point_says_how_to_write_one(focal: str) -> None:
    """Nothing is written."""
    done = run("crop", "picture.png", f"--focal={focal}", "-o", "out")
    assert done.exit_code == 2
    assert f"'{focal}' is not a focal point: write two fractions from 0 to 1, such as 0.3,0.4" in done.output
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "text", ["square", "square=1,2,3", "square=-1,0,9,9", "Square=0,0,9,9", "square=0,0,1e3,9", ""]
)
def test_a_wrong_crop_says_how_to_write_one(text: str) -> None:
    """Pixels are whole numbers."""
    done = run("crop", "picture.png", "--crop", text, "-o", "out")
    assert done.exit_code == 2
    assert "is not a crop: write SET=X,Y,WIDTH,HEIGHT in pixels, such as square=0,0,512,512" in done.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["crop", "renditions.toml", "-o", "out"],
            "renditions.toml: not a picture: neither PNG nor JPEG, WebP or AVIF",
        ),
        (["crop", "picture.png", "-o", "picture.png"], "picture.png' is a file"),
        (
            ["crop", "picture.png", "-o", "out", "--crop", "square=0,0,9,9", "--crop", "square=0,0,8,8"],
            "square is given twice",
        ),
        (["renditions", "picture.png"], "a picture and --focal are for --sheet FILE"),
        (["renditions", "--focal", "0,0"], "a picture and --focal are for --sheet FILE"),
        (["renditions", "--sheet", "a.png"], "--sheet needs a picture"),
    ],
)
def test_a_mistake_is_a_sentence(arguments: list[str], sentence: str) -> None:
    """Exit status 2, as for any wrong option."""
    done = run(*arguments)
    assert done.exit_code == 2
    assert sentence in done.output


@pytest.mark.parametrize(
    ("crop", "sentence"),
    [
        ("square=90,0,32,32", "The square crop, 32x32 at 90,0, is not inside the picture, which is 96x64 pixels."),
        ("square=0,0,32,30", "The square crop, 32x30 at 0,0, is not 1:1: 30x30 would be."),
        ("sqare=0,0,32,32", "There is no rendition set 'sqare' here: use one of square, thumb."),
    ],
)
def test_a_crop_that_does_not_fit_is_rejected(crop: str, sentence: str) -> None:
    """The worker's own sentence."""
    rejected = run("crop", "picture.png", "--crop", crop, "-o", "out").exception
    assert isinstance(rejected, Rejected)
    assert rejected.message == sentence


@pytest.mark.parametrize(("picture", "folder"), [("none.png", "out"), (".", "out"), ("picture.png", "picture.png/out")])
def test_files_that_cannot_be_used_are_named(picture: str, folder: str) -> None:
    """The system's error has the file's name, which the command line prints."""
    error = run("crop", picture, "-o", folder).exception
    assert isinstance(error, OSError)
    assert error.filename is not None
