"""The crop editor's arithmetic in the browser is the worker's."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Any

from consumer.pictures.crops import check_crop, crop_for, fitting_sizes
from consumer.renditions import Crop, FocalPoint, RenditionSet
from schemas.pictures import FocalSource
from tests.support.desk_modules import called

RATIOS = [None, (16, 9), (4, 3), (1, 1), (1200, 630), (9, 16), (10, 1), (1, 10), (21, 9), (37, 53), (99_999, 10_007)]
SIZES = [(2048, 1152), (1200, 630), (512, 512), (64, 64), (65, 1999), (2048, 64), (1023, 769), (640, 641)]
CORNERS = [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.5, 0.5), (0.25, 0.75)]


def rendition_set(ratio: tuple[int, int] | None, widths: tuple[int, ...] = (320, 640, 960)) -> RenditionSet:
    return RenditionSet("hero", ratio, widths, ())


def points(count: int) -> list[tuple[float, float]]:
    dice = random.Random(19)
    return [*CORNERS, *((dice.random(), dice.random()) for _ in range(count))]


def size_of(size: tuple[int, int]) -> dict[str, int]:
    return {"width": size[0], "height": size[1]}


def test_a_crop_follows_the_point_to_the_pixel_as_in_the_worker() -> None:
    """For every ratio, size and point the browser's frame is the crop that the worker makes."""
    cases = [(ratio, size, point) for ratio in RATIOS for size in SIZES for point in points(40)]
    frames = called("slot/geometry.js", [("cropFor", [r, size_of(s), {"x": p[0], "y": p[1]}]) for r, s, p in cases])

    for (ratio, size, (x, y)), frame in zip(cases, frames, strict=True):
        assert frame == asdict(crop_for(rendition_set(ratio), size, FocalPoint(x, y, FocalSource.EDITOR)))


def test_whatever_is_drawn_the_worker_takes_it() -> None:
    """A frame that was resized and moved at random lies inside the picture, in the set's ratio to the pixel."""
    dice = random.Random(7)
    cases = [(ratio, size) for ratio in RATIOS for size in SIZES for _ in range(10)]
    crops = called("slot/geometry.js", [("cropFor", [r, size_of(s), {"x": 0.3, "y": 0.6}]) for r, s in cases])
    calls = [
        ("resized", [crop, ratio, size_of(size), dice.uniform(-10, 2.0 * size[0])])
        for (ratio, size), crop in zip(cases, crops, strict=True)
    ]
    moves = [
        ("moved", [crop, size_of(size), dice.uniform(-2500, 2500), dice.uniform(-2500, 2500)])
        for (_, size), crop in zip(cases, called("slot/geometry.js", calls), strict=True)
    ]
    corners = [[dice.random() < 0.5, dice.random() < 0.5] for _ in cases]
    drags = [
        ("stretched", [crop, ratio, size_of(size), corner, dice.uniform(-10, 2.0 * size[0])])
        for (ratio, size), corner, crop in zip(cases, corners, called("slot/geometry.js", moves), strict=True)
    ]

    for (ratio, size), frame in zip(cases, called("slot/geometry.js", drags), strict=True):
        check_crop(rendition_set(ratio), size, Crop(**frame))
        across, down = ratio or size
        assert abs(frame["width"] * down - frame["height"] * across) <= max(across, down)


def test_a_dragged_corner_leaves_the_opposite_one() -> None:
    """The corner across from the dragged one stays on its pixel, whatever the width becomes."""
    crop = {"x": 100, "y": 50, "width": 320, "height": 180}
    size = {"width": 1000, "height": 600}
    for right, bottom in ((True, True), (True, False), (False, True), (False, False)):
        calls = [("stretched", [crop, (16, 9), size, [right, bottom], width]) for width in (0, 200, 321, 5000)]
        for frame in called("slot/geometry.js", calls):
            assert right or frame["x"] + frame["width"] == 420
            assert bottom or frame["y"] + frame["height"] == 230
            assert not right or frame["x"] == 100
            assert not bottom or frame["y"] == 50


def test_an_unchanged_edit_asks_for_the_crops_that_there_are() -> None:
    """A drawn frame is told from one that follows the point, and both come back as they were announced."""
    sets = [{"name": "hero", "ratio": [16, 9], "widths": [640]}, {"name": "square", "ratio": [1, 1], "widths": [720]}]
    drawn = {"x": 10, "y": 20, "width": 320, "height": 180}
    followed = asdict(crop_for(rendition_set((1, 1)), (800, 600), FocalPoint(0.25, 0.5, FocalSource.EDITOR)))
    files = [{"set": "hero", "crop": drawn}, {"set": "square", "crop": followed}]
    picture = {"width": 800, "height": 600, "renditions": files}
    picture["focal_point"] = {"x": 0.25, "y": 0.5, "source": "editor"}
    (edit,) = called("slot/crop-edit.js", [("editOf", [picture, sets])])
    (kept,) = called("slot/crop-edit.js", [("keepingFields", [picture, sets])])

    assert edit["frames"] == {"hero": drawn}
    assert kept == {"focal_point": {"x": 0.25, "y": 0.5}, "crops": {"hero": drawn}}
    assert called("slot/crop-edit.js", [("fieldsOf", [edit])]) == [kept]
    found = {**picture, "focal_point": {"x": 0.25, "y": 0.5, "source": "found"}}
    assert called("slot/crop-edit.js", [("keepingFields", [found, sets])]) == [{"crops": {"hero": drawn}}]


def test_the_editor_is_told_the_sizes_that_a_crop_makes() -> None:
    """The widths beside a preview are those of the files that the worker will make."""
    widths = (320, 640, 960)
    crops: list[dict[str, Any]] = [{"x": 0, "y": 0, "width": w, "height": w} for w in (64, 319, 320, 700, 960, 2000)]
    wanted = rendition_set((1, 1), widths)

    for crop, made in zip(crops, called("slot/geometry.js", [("widthsOf", [widths, c]) for c in crops]), strict=True):
        assert made == [width for width, _ in fitting_sizes(wanted, (2048, 2048), Crop(**crop))]
