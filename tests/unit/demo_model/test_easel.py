from __future__ import annotations

from pathlib import Path

from consumer.settings import EngineKind, EngineSettings
from easel import Order, found_points, paint

SWATCH = EngineSettings(kind=EngineKind.SWATCH)


def test_what_is_painted_is_not_painted_again(tmp_path: Path) -> None:
    """Pictures come in the order of their orders; a second run paints the missing piece alone, and gives the same."""
    orders = [Order(f"boat {seed}", "", 2.0, 64, 64, seed) for seed in range(50)]
    told: list[str] = []
    first = paint(SWATCH, orders, tmp_path, told.append)
    kept, lost = sorted(tmp_path.iterdir())
    lost.unlink()
    before = kept.stat().st_mtime_ns
    second = paint(SWATCH, orders, tmp_path, told.append)

    assert len(told) == 3
    assert kept.stat().st_mtime_ns == before
    assert [picture.size for picture in first] == [(64, 64)] * 50
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
    assert first[0].tobytes() != first[1].tobytes()


def test_an_engine_that_finds_nothing_says_so() -> None:
    """The swatch engine knows no focus: there is none for any order, and progress is told."""
    orders = [Order(f"boat {seed}", "", 2.0, 64, 32, seed) for seed in range(50)]
    told: list[str] = []

    assert found_points(SWATCH, orders, told.append) == [None] * 50
    assert told == ["40 of 50", "50 of 50"]
