from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from consumer.errors import Rejected, Transient
from consumer.jobs import Picture
from consumer.pictures.encoder import check
from schemas import Reason

PIXELS = 32 * 16


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (12, 200, 90)])
def test_a_picture_of_one_colour_is_refused(picture: Callable[..., Picture], colour: tuple[int, int, int]) -> None:
    """A flat picture of any colour is rejected, as its recipe gives it every time; the message says what to change."""
    with pytest.raises(Rejected, match="another seed") as refused:
        check(picture(bytes(colour) * PIXELS))
    assert refused.value.reason is Reason.NOT_PAINTED


def test_a_flat_picture_with_a_trace_of_noise_is_refused(picture: Callable[..., Picture]) -> None:
    """One level of rounding noise does not save a flat picture."""
    with pytest.raises(Rejected):
        check(picture(bytes(100 + index % 2 for index in range(PIXELS * 3))))


def test_noise_passes(picture: Callable[..., Picture]) -> None:
    """A model with random weights paints noise, which counts as a picture."""
    check(picture(np.random.default_rng(1).bytes(PIXELS * 3)))


def test_a_dark_picture_with_a_light_in_it_passes(picture: Callable[..., Picture]) -> None:
    """A night scene is not blank: a small bright spot is enough."""
    check(picture(b"\xff" * 30 + b"\x00" * (PIXELS * 3 - 30)))


def test_pixels_that_do_not_fill_the_picture_are_refused(picture: Callable[..., Picture]) -> None:
    """Too few bytes are reported with both numbers."""
    with pytest.raises(Transient, match="3 bytes of pixels instead of 1536"):
        check(picture(b"abc"))
