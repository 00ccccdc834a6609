"""A style that the bundled file lacks."""

from __future__ import annotations

from pathlib import Path

from consumer.settings.resources import bundled

ETCHING = """
[etching]
title = "Etching"
description = "Fine lines, one colour."
version = 1
photorealistic = false
template = "{subject}. An etching."
negative = "colour"
"""


def styles_with_etching(folder: Path) -> Path:
    """Write the bundled styles and `etching` into the folder, and return their file."""
    file = folder / "styles.toml"
    file.write_text(bundled("styles.toml").read_text(encoding="utf-8") + ETCHING, encoding="utf-8")
    return file
