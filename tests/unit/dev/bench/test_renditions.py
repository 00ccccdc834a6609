"""`leadart bench renditions` on small pictures: every file is counted, and the worker answers all requests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from consumer.dev.bench.renditions import RenditionPlan, as_json, measure_renditions
from consumer.dev.bench.renditions_report import renditions_report
from consumer.errors import Fatal

SETS = """
[sets.hero]
ratio = "16:9"
widths = [64, 128]
formats.webp = { quality = 70 }

[sets.thumb]
widths = [32]
formats.jpeg = { quality = 70 }
"""


@pytest.fixture
def plan(tmp_path: Path) -> RenditionPlan:
    """Two pictures of noise, which are not blank, and a file of three renditions, one wider than they are."""
    random = np.random.default_rng(1)
    paths = (tmp_path / "one.png", tmp_path / "two.png")
    for path in paths:
        Image.fromarray(random.integers(0, 255, (96, 96, 3), dtype=np.uint8)).save(path)
    sets = tmp_path / "sets.toml"
    sets.write_text(SETS)
    return RenditionPlan(paths, (200.0,), 0.02, sets)


async def test_every_file_is_measured_and_every_request_answered(plan: RenditionPlan) -> None:
    """Figures, table, document and JSON say the same of each file that fits the pictures, and of each pace."""
    heard: list[str] = []
    result = await measure_renditions(plan, heard.append)

    assert [each.name for each in result.files] == ["hero-64 webp, 64x36", "thumb-32 jpeg, 32x32"]
    assert result.full.bytes_ == pytest.approx(sum(each.bytes_ for each in result.files))
    (turn,) = result.turns
    assert (turn.pictures, turn.by_worker > 0, turn.cpu_seconds > 0) == (4, True, True)
    assert json.loads(json.dumps(as_json(result)))["paces"][0]["ratio"] == turn.ratio
    report = renditions_report(result)
    written = report.document("leadart bench renditions")
    assert all(cell in written for row in report.rows for cell in row)
    assert len(heard) == 2


async def test_a_file_that_is_no_picture_is_named(plan: RenditionPlan, tmp_path: Path) -> None:
    """The sentence names the file and what to give instead."""
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(Fatal, match=r"text\.png: not a picture.*leadart generate"):
        await measure_renditions(RenditionPlan((tmp_path / "text.png",), sets=plan.sets), lambda _line: None)
