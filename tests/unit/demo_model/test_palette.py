from __future__ import annotations

from random import Random

from palette import INK, PAPER, printed, share_in_palette
from scenes import draw, random_scene


def test_prints_are_of_paper_and_ink() -> None:
    """Nearly all of a print is near one of the two colours, and both are there; little of what was printed is."""
    rng = Random(4)
    drawn = [draw(random_scene(rng), 128, 128) for _ in range(6)]
    prints = [printed(picture) for picture in drawn]

    assert share_in_palette(prints) > 0.9
    assert share_in_palette(drawn) < 0.4
    for picture in prints:
        colours = {colour for _, colour in picture.getcolors(1 << 16) or []}
        assert {PAPER, INK} <= colours
