from __future__ import annotations

from pathlib import Path

import pytest

from figures import into_readme, table
from reader import JUDGED

README = """\
Before.

<!-- adherence-128: made -->
old
<!-- end -->

Between.

<!-- adherence-256: made -->
kept
<!-- end -->
"""


def test_a_table_takes_the_place_of_its_forerunner(tmp_path: Path) -> None:
    """What lies between the markers of that name is replaced, nothing else."""
    file = tmp_path / "README.md"
    file.write_text(README)
    into_readme(file, "adherence-128", "new")

    assert file.read_text() == README.replace("old", "\nnew")


def test_a_readme_without_the_place_is_told(tmp_path: Path) -> None:
    """Figures never vanish silently."""
    file = tmp_path / "README.md"
    file.write_text("Nothing.")

    with pytest.raises(ValueError, match="no place for adherence-512"):
        into_readme(file, "adherence-512", "new")


def test_a_row_has_a_cell_for_each_attribute() -> None:
    """The table is as wide as the judge's attributes, the bars above the shares."""
    lines = table({"guidance 2": dict.fromkeys(JUDGED, 0.5)}).splitlines()

    assert {line.count("|") for line in lines} == {len(JUDGED) + 2}
    assert "0.98" in lines[2]
    assert lines[3] == f"| guidance 2 |{' 0.500 |' * len(JUDGED)}"
