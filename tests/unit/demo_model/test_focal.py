from __future__ import annotations

import numpy as np
import pytest

from focal import cropped, cut, misses

BOXES = np.array([[20.0, 40.0, 40.0, 80.0]])
"""One subject, in a picture of 200x100."""
SIZE = (200, 100)


def test_a_point_in_the_middle_of_its_box_misses_by_nothing() -> None:
    """Distances are told in shorter sides, from the middle of the box."""
    distances, inside = misses([(0.15, 0.6)], BOXES, SIZE)
    assert (distances.tolist(), inside.tolist()) == ([0.0], [True])
    distances, inside = misses([(0.25, 0.6)], BOXES, SIZE)
    assert (distances.tolist(), inside.tolist()) == (pytest.approx([0.2]), [False])


def test_without_a_point_the_centre_counts() -> None:
    """A picture in which nothing was found is measured like the centre."""
    assert misses([None], BOXES, SIZE)[0] == misses([(0.5, 0.5)], BOXES, SIZE)[0]


@pytest.mark.parametrize(
    ("point", "whole", "share"), [((0.15, 0.6), 1.0, 1.0), ((0.0, 0.0), 1.0, 1.0), ((0.5, 0.5), 0.0, 0.0)]
)
def test_a_crop_round_the_point_has_the_subject_or_not(point: tuple[float, float], whole: float, share: float) -> None:
    """Crops are moved into the picture, so that a point at its edge still shows what stands beside it."""
    assert cut([point], BOXES, SIZE, (100, 100)) == (whole, share)


def test_a_subject_larger_than_the_crop_counts_by_its_share_alone() -> None:
    """Crops that cannot have all of a subject are left out of the first figure, not of the second."""
    boxes = np.array([[0.0, 0.0, 200.0, 100.0], [0.0, 0.0, 50.0, 100.0]])
    assert cut([(0.0, 0.5)] * 2, boxes, SIZE, (100, 100)) == (1.0, 0.75)


@pytest.mark.parametrize(("size", "ratio", "crop"), [((256, 256), "16:9", (256, 144)), ((256, 144), "1:1", (144, 144))])
def test_a_crop_is_as_large_as_its_ratio_allows(size: tuple[int, int], ratio: str, crop: tuple[int, int]) -> None:
    """The largest crop touches two sides of the picture."""
    assert cropped(*size, ratio) == crop
