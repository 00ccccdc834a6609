"""Figures as a table, and where it goes: between two markers of the README."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reader import JUDGED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BARS = {"subject": 0.95, "colour": 0.98, "ground": 0.98, "weather": 0.95, "time": 0.98, "style": 0.95}
"""What a share should be at least, with guidance 2."""


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Return the shares by row and attribute, below the bars."""
    lines = [f"| | {' | '.join(JUDGED)} |", f"| --- {'| ---: ' * len(JUDGED)}|"]
    bars = " | ".join(f"{BARS[name]:.2f}" if name in BARS else "" for name in JUDGED)
    lines.append(f"| *the bar* | {bars} |")
    for name, values in rows.items():
        lines.append(f"| {name} | {' | '.join(f'{values[key]:.3f}' for key in JUDGED)} |")
    return "\n".join(lines) + "\n"


def into_readme(readme: Path, name: str, text: str) -> None:
    """Put the text between `<!-- NAME: ... -->` and the next `<!-- end -->`. Raises `ValueError` without them."""
    whole = readme.read_text("utf-8")
    place = re.compile(rf"(<!-- {name}:[^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)
    found, count = place.subn(lambda match: f"{match[1]}\n{text}\n{match[2]}", whole, count=1)
    if not count:
        raise ValueError(f"{readme} has no place for {name}")
    readme.write_text(found, "utf-8")
