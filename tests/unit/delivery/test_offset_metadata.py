"""The metadata an owner commits beside an offset."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.engine_exposure import MAX_EXPOSURES
from consumer.delivery.offset_metadata import (
    MAX_SPAN,
    Exposure,
    MetadataUnreadable,
    OffsetMetadata,
    has_mark,
    read_metadata,
    write_metadata,
)
from consumer.delivery.ports import CommittedOffset
from schemas import Reason

EXPOSURES = st.builds(Exposure, st.integers(0, 999), st.booleans())


@given(
    base=st.integers(0, 2**40),
    above=st.sets(st.integers(0, MAX_SPAN - 1), max_size=200),
    exposures=st.dictionaries(st.integers(0, MAX_SPAN), EXPOSURES, max_size=64),
    outage=st.sampled_from(["", *Reason]),
)
def test_metadata_round_trips(base: int, above: set[int], exposures: dict[int, Exposure], outage: str) -> None:
    """What is written into a commit's metadata is read back, whatever is finished, exposed or down."""
    note = OffsetMetadata(
        {base + offset for offset in above}, {base + offset: exposure for offset, exposure in exposures.items()}, outage
    )

    assert read_metadata(CommittedOffset(base, write_metadata(base, note))) == note


@given(st.text(max_size=60))
def test_foreign_metadata_is_refused_or_empty(text: str) -> None:
    """Metadata that another tool wrote is never taken for finished records."""
    try:
        assert read_metadata(CommittedOffset(5, text)).finished == set()
    except MetadataUnreadable:
        assert text


def test_metadata_of_another_offset_is_refused() -> None:
    """A bitmap whose base is not the committed offset would mark the wrong records as finished."""
    with pytest.raises(MetadataUnreadable, match="offset 7"):
        read_metadata(CommittedOffset(8, write_metadata(7, OffsetMetadata({9}))))


def test_a_full_bitmap_fits_the_brokers_limit() -> None:
    """The largest metadata the worker writes stays well below the broker's 4 KB."""
    everything = OffsetMetadata(
        set(range(MAX_SPAN)),
        {MAX_SPAN + offset: Exposure(100, in_engine=True) for offset in range(MAX_EXPOSURES)},
        max(Reason, key=len),
    )

    assert len(write_metadata(0, everything)) < 3_600


def test_an_oversized_bitmap_is_refused() -> None:
    """A bitmap larger than any the worker writes is not the worker's."""
    bitmap = base64.b64encode(b"\xff" * (MAX_SPAN // 8 + 1)).decode()
    with pytest.raises(MetadataUnreadable):
        read_metadata(CommittedOffset(0, f"v1:0:{bitmap}"))


@pytest.mark.parametrize(
    "metadata", ["v1:5:::no reason", "v1:5::7", "v1:5::a.1", "v1:5::1.1?", "v1:5::::", "v2:5:AQ=="]
)
def test_incomplete_metadata_is_refused(metadata: str) -> None:
    """A part that is not what the worker writes makes all of it unreadable."""
    with pytest.raises(MetadataUnreadable):
        read_metadata(CommittedOffset(5, metadata))


def test_a_commit_with_nothing_to_say_shows_whose_it_is() -> None:
    """An idle lane's commit has a mark, which an older leadart reads as nothing; those of others have none."""
    ours = CommittedOffset(5, write_metadata(5, OffsetMetadata()))

    assert ours.metadata == "v1:5:"
    assert read_metadata(ours) == OffsetMetadata()
    assert (has_mark(ours), has_mark(CommittedOffset(5, "")), has_mark(CommittedOffset(5, "kgo-1f2e"))) == (
        True,
        False,
        False,
    )
