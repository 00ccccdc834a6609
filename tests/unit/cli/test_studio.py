"""`leadart styles`, for programs."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from consumer.cli.root import app


def test_styles_have_their_titles_by_language() -> None:
    """An editor's screen shows the one of its language, where the site's file has one."""
    presets = {each["preset"]: each for each in json.loads(CliRunner().invoke(app, ["styles", "--json"]).stdout)}

    assert presets["oil_painting"]["titles"] == {"zh": "油画"}
    assert presets["oil_painting"]["title"] == "Oil painting"
    assert all(isinstance(each["titles"], dict) for each in presets.values())
