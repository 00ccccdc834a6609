from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import Rejected
from consumer.pictures.crops import check_crop, crop_for, fitting_sizes, possible_crops
from consumer.renditions import CENTRE, Crop, Encoding, FocalPoint, RenditionFormat, RenditionSet
from schemas import Reason
from schemas.pictures import FocalSource

ENCODINGS = (Encoding(RenditionFormat.WEBP, 75, 75),)
RATIOS = [(16, 9), (4, 3), (1, 1), (1200, 630), (9, 16), (3, 2), (10, 1), (1, 10), None]

sides = st.integers(64, 2048)
sizes = st.tuples(sides, sides) | st.sampled_from([(1200, 630), (64, 64), (2048, 64), (512, 512), (1201, 629)])
ratios = st.sampled_from(RATIOS) | st.tuples(st.integers(1, 100), st.integers(1, 100)).filter(
    lambda ratio: 0.1 <= ratio[0] / ratio[1] <= 10
)
shares = st.floats(0, 1)


def a_set(ratio: tuple[int, int] | None, *widths: int) -> RenditionSet:
    return RenditionSet("shape", ratio, widths or (640,), ENCODINGS)


def at(x: float, y: float) -> FocalPoint:
    return FocalPoint(x, y, FocalSource.EDITOR)


@given(size=sizes, ratio=ratios, x=shares, y=shares)
def test_a_crop_is_inside_and_holds_the_focal_point(
    size: tuple[int, int], ratio: tuple[int, int] | None, x: float, y: float
) -> None:
    """For every master, ratio and point."""
    crop = crop_for(a_set(ratio), size, at(x, y))
    for start, length, side, focal in ((crop.x, crop.width, size[0], x), (crop.y, crop.height, size[1], y)):
        assert length >= 1
        assert 0 <= start <= focal * side <= start + length <= side


@given(size=sizes, ratio=ratios)
def test_a_crop_is_the_largest_of_its_ratio(size: tuple[int, int], ratio: tuple[int, int] | None) -> None:
    """It fills the master one way, and the other way it is what the ratio says, rounded to a pixel."""
    crop = crop_for(a_set(ratio), size, CENTRE)
    across, down = ratio or size
    exact = {"wide": (size[0], size[0] * down / across), "tall": (size[1] * across / down, size[1])}
    fits = [pair for pair in exact.values() if pair[0] <= size[0] and pair[1] <= size[1]]
    assert any(abs(crop.width - width) <= 0.5 and abs(crop.height - max(1, height)) <= 0.5 for width, height in fits)


@given(size=sizes, ratio=ratios, x=shares, y=shares)
def test_the_focal_point_is_as_near_the_middle_as_the_master_allows(
    size: tuple[int, int], ratio: tuple[int, int] | None, x: float, y: float
) -> None:
    """No other place of the crop inside the master has it nearer, by more than the rounding to pixels."""
    crop = crop_for(a_set(ratio), size, at(x, y))
    for start, length, side, focal in ((crop.x, crop.width, size[0], x), (crop.y, crop.height, size[1], y)):
        best = min(max(focal * side - length / 2, 0), side - length)
        assert abs(start - best) <= 0.5


@given(size=sizes, ratio=ratios, points=st.lists(st.tuples(shares, shares), min_size=2, max_size=2))
def test_a_crop_follows_its_focal_point(
    size: tuple[int, int], ratio: tuple[int, int] | None, points: list[tuple[float, float]]
) -> None:
    """An editor who moves the point right or down never sees the crop go left or up."""
    (x, y), (other_x, other_y) = points
    first = crop_for(a_set(ratio), size, at(min(x, other_x), min(y, other_y)))
    second = crop_for(a_set(ratio), size, at(max(x, other_x), max(y, other_y)))
    assert first.x <= second.x
    assert first.y <= second.y


@pytest.mark.parametrize(
    ("size", "ratio", "focal", "crop"),
    [
        ((1024, 1024), (16, 9), (0.5, 0.5), Crop(0, 224, 1024, 576)),
        ((1024, 1024), (16, 9), (0.5, 0.0), Crop(0, 0, 1024, 576)),
        ((1024, 1024), (16, 9), (0.9, 0.35), Crop(0, 70, 1024, 576)),
        ((1024, 576), (1, 1), (0.3, 0.4), Crop(19, 0, 576, 576)),
        ((1024, 576), (1, 1), (1.0, 1.0), Crop(448, 0, 576, 576)),
        ((1200, 630), (1200, 630), (0.2, 0.2), Crop(0, 0, 1200, 630)),
        ((777, 333), None, (0.2, 0.2), Crop(0, 0, 777, 333)),
    ],
)
def test_crops_that_can_be_reckoned(
    size: tuple[int, int], ratio: tuple[int, int] | None, focal: tuple[float, float], crop: Crop
) -> None:
    """Round the focal point, moved only as far as the master's edge demands."""
    assert crop_for(a_set(ratio), size, at(*focal)) == crop


@given(size=sizes, ratio=ratios, widths=st.sets(st.integers(16, 4096), min_size=1, max_size=6), x=shares)
def test_renditions_are_never_enlarged(
    size: tuple[int, int], ratio: tuple[int, int] | None, widths: set[int], x: float
) -> None:
    """Every size fits into its crop, is of its ratio to a pixel, and there is always one."""
    wanted = a_set(ratio, *sorted(widths))
    crop = crop_for(wanted, size, at(x, 0.5))
    made = fitting_sizes(wanted, size, crop)
    across, down = ratio or size
    assert made
    for width, height in made:
        assert 1 <= width <= crop.width
        assert 1 <= height <= crop.height
        assert abs(height - width * down / across) <= 1 or abs(width - height * across / down) <= 1
    assert {width for width, _ in made} == ({width for width in widths if width <= crop.width} or {crop.width})


@given(size=sizes, ratio=ratios, x=shares, y=shares)
def test_our_own_crops_are_accepted_as_explicit_ones(
    size: tuple[int, int], ratio: tuple[int, int] | None, x: float, y: float
) -> None:
    """An editor who sends back the crop of an event is not refused."""
    check_crop(a_set(ratio), size, crop_for(a_set(ratio), size, at(x, y)))


@pytest.mark.parametrize(
    ("ratio", "crop", "sentence"),
    [
        (
            (1, 1),
            Crop(600, 0, 512, 512),
            "The shape crop, 512x512 at 600,0, is not inside the picture, which is 1024x768 pixels.",
        ),
        (
            (1, 1),
            Crop(-1, 0, 512, 512),
            "The shape crop, 512x512 at -1,0, is not inside the picture, which is 1024x768 pixels.",
        ),
        (
            (1, 1),
            Crop(0, 300, 512, 512),
            "The shape crop, 512x512 at 0,300, is not inside the picture, which is 1024x768 pixels.",
        ),
        ((1, 1), Crop(0, 0, 0, 0), "The shape crop, 0x0 at 0,0, is not inside the picture, which is 1024x768 pixels."),
        ((1, 1), Crop(0, 0, 512, 500), "The shape crop, 512x500 at 0,0, is not 1:1: 500x500 would be."),
        ((16, 9), Crop(0, 0, 640, 370), "The shape crop, 640x370 at 0,0, is not 16:9: 640x360 would be."),
        (None, Crop(0, 0, 512, 512), "The shape crop, 512x512 at 0,0, is not 1024:768: 512x384 would be."),
    ],
)
def test_a_wrong_crop_is_rejected_with_what_to_send(ratio: tuple[int, int] | None, crop: Crop, sentence: str) -> None:
    """The editor's tool learns the field, what is wrong and a crop that would do."""
    with pytest.raises(Rejected) as rejected:
        check_crop(a_set(ratio), (1024, 768), crop)
    assert rejected.value.message == sentence
    assert (rejected.value.reason, rejected.value.field) == (Reason.INVALID_FIELD, "crops.shape")


def test_what_is_possible_of_earlier_crops() -> None:
    """Those of a set that is there still, inside the picture and of its ratio."""
    fits, wide, outside = Crop(0, 0, 512, 512), Crop(0, 0, 512, 384), Crop(600, 0, 512, 512)
    crops = {"square": fits, "banner": wide, "avatar": outside, "gone": fits}
    sets = [RenditionSet(name, (1, 1), (640,), ENCODINGS) for name in ("square", "banner", "avatar", "new")]
    assert possible_crops(sets, (1024, 768), crops) == {"square": fits}


@pytest.mark.parametrize("crop", [Crop(0, 0, 640, 361), Crop(3, 4, 639, 359), Crop(0, 0, 640, 363), Crop(0, 0, 1, 1)])
def test_rounding_and_one_per_cent_are_forgiven(crop: Crop) -> None:
    """Tools round differently."""
    check_crop(a_set((16, 9)), (1024, 768), crop)


def test_a_set_that_the_master_is_too_small_for_gets_the_width_there_is() -> None:
    """A master of 512 has a square of 512 where 720 was asked, and all of a smaller set."""
    crop = crop_for(a_set((1, 1)), (512, 512), CENTRE)
    assert fitting_sizes(a_set((1, 1), 720, 1080), (512, 512), crop) == [(512, 512)]
    assert fitting_sizes(a_set((1, 1), 320, 512, 720), (512, 512), crop) == [(320, 320), (512, 512)]
