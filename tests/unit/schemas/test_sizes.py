"""`schemas.sizes`: what may be asked for, and at which multiples of 16 it is painted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.sizes import MAX_PIXELS, SIDES, asked_size, fits, has_aspect, painted, ratio_of

SIDE = st.integers(*SIDES)
ASPECTS = st.tuples(st.integers(1, 9999), st.integers(1, 9999)).map("{0[0]}:{0[1]}".format)


@given(SIDE)
def test_a_side_is_painted_at_the_next_multiple_of_16(side: int) -> None:
    """Never smaller, less than 16 larger, and never beyond the largest side."""
    assert side <= painted(side) < side + 16
    assert painted(side) % 16 == 0
    assert painted(side) <= SIDES[1]


@given(SIDE, SIDE)
def test_what_fits_is_never_painted_larger_than_before(width: int, height: int) -> None:
    """The bound of the whole picture is on what is painted, so the engine needs no more memory than it did."""
    assert fits(width, height) == (painted(width) * painted(height) <= MAX_PIXELS)


@pytest.mark.parametrize("size", [(63, 512), (512, 2049), (0, 512), (1537, 1535), (2048, 1153)])
def test_what_is_out_of_bounds_does_not_fit(size: tuple[int, int]) -> None:
    """A side too short or too long, or too many pixels once rounded up."""
    assert not fits(*size)


@given(ASPECTS, st.tuples(SIDE, SIDE))
def test_an_aspect_alone_keeps_the_area(aspect: str, usual: tuple[int, int]) -> None:
    """The sides have the aspect as nearly as whole pixels allow, and a picture that fits about the usual area."""
    width, height = asked_size(None, None, aspect, usual)
    if fits(width, height):
        assert has_aspect(width, height, aspect)
        area = usual[0] * usual[1]
        assert abs(width * height - area) <= 2 * max(width, height)


@given(ASPECTS, SIDE, st.tuples(SIDE, SIDE))
def test_a_side_stays_as_it_was_asked(aspect: str, side: int, usual: tuple[int, int]) -> None:
    """The other one is made of it, by the aspect or by the usual ratio, to the nearest pixel."""
    for across, ratio in ((aspect, ratio_of(aspect)), (None, ratio_of("{}:{}".format(*usual)))):
        wide = asked_size(side, None, across, usual)
        tall = asked_size(None, side, across, usual)
        assert wide[0] == tall[1] == side
        assert abs(wide[1] - side / ratio) <= 0.5
        assert abs(tall[0] - side * ratio) <= 0.5


@given(SIDE, SIDE, ASPECTS)
def test_both_sides_are_the_size(width: int, height: int, aspect: str) -> None:
    """Nothing is added to them, and without a wish the usual size is taken."""
    assert asked_size(width, height, aspect, (512, 512)) == (width, height)
    assert asked_size(None, None, None, (width, height)) == (width, height)
