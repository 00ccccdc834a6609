"""The block of headers that says which replay a record belongs to."""

from __future__ import annotations

import pytest

from consumer.delivery.replay_origin import BLOCK, ReplayOrigin, parse_origin
from consumer.delivery.retry import Headers

HEADERS: Headers = tuple(zip(BLOCK, (b"r1", b"lane", b"3", b"77"), strict=True))


def test_the_last_block_counts() -> None:
    """A publisher may send headers of these names: only what `leadart replay` wrote after them is ours."""
    assert parse_origin(((BLOCK[0], b"forged"), *HEADERS)) == ReplayOrigin("r1", "lane", 3, 77)


@pytest.mark.parametrize(
    "headers", [(), HEADERS[:3], (*HEADERS[:3], (BLOCK[3], b"x")), (*HEADERS[:2], HEADERS[3], HEADERS[2])]
)
def test_anything_else_was_not_replayed(headers: Headers) -> None:
    """A block that is cut off, out of order or without numbers is none."""
    assert parse_origin(headers) is None
