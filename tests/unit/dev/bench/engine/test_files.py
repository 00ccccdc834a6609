from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumer.dev.bench.engine.files import ResultFiles
from consumer.dev.bench.engine.plan import EngineSide
from tests.support.engine_results import contest_of, result_of

FIRST, SECOND = (result_of(contest_of({EngineSide.DENOISER: [seconds]}), finished=False) for seconds in (1.0, 2.0))


def test_json_and_page_say_the_same(tmp_path: Path) -> None:
    """Both are made with their folder, the page beside the JSON, with the command that made it."""
    kept = ResultFiles(tmp_path / "new" / "h200.json", "leadart bench engine --budget 520")
    kept.write(FIRST)
    assert json.loads(kept.figures.read_text())["contests"][0]["name"] == "512x512x12x2.0"
    assert kept.page == tmp_path / "new" / "h200.md"
    assert "made by `leadart bench engine --budget 520`" in kept.page.read_text()
    assert "| 512x512x12x2.0 | 1 | denoiser | 1.000 |" in kept.page.read_text()


def test_a_process_killed_while_it_writes_leaves_the_earlier_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on disk is complete at any moment: a file is replaced by a whole one or not at all."""
    kept = ResultFiles(tmp_path / "h200.json", "")
    kept.write(FIRST)
    before = kept.figures.read_text()

    def killed(_written: Path, _target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        kept.write(SECOND)
    assert kept.figures.read_text() == before
