"""What is assumed of a newsroom is read from a file, or refused with the line of every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.dev.simulate.day.newsroom import SHIPPED, load_newsroom
from consumer.errors import Fatal


def test_the_shipped_one_is_read() -> None:
    """Without a file the numbers are those that ship, and every section has headlines."""
    newsroom = load_newsroom()

    assert newsroom.stories == 100
    assert newsroom.writing.autosave_seconds == 10
    assert {"Obituaries", "Courts", "Weather", "Sport"} <= {section.name for section in newsroom.sections}


def test_a_copy_may_say_otherwise(tmp_path: Path) -> None:
    """A site's own numbers replace the shipped ones."""
    file = tmp_path / "ours.toml"
    file.write_text(SHIPPED.read_text(encoding="utf-8").replace("stories = 100", "stories = 7"), encoding="utf-8")

    assert load_newsroom(file).stories == 7


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("peak = 2.0", "peak = 0.5", "peak: "),
        ("stories = 100 ", "storeys = 100 ", "storeys: is not known here"),
        ("typing_share = 0.6", "typing_share = 6", "writing.typing_share: "),
        ("pictures = 3", "", "editors.pictures: is missing"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, before: str, after: str, complaint: str) -> None:
    """The message has the file, the line and the key of what is wrong."""
    text = SHIPPED.read_text(encoding="utf-8")
    file = tmp_path / "ours.toml"
    file.write_text(text.replace(before, after), encoding="utf-8")

    with pytest.raises(Fatal) as refused:
        load_newsroom(file)

    assert f"{file}:" in refused.value.message
    assert complaint in refused.value.message
