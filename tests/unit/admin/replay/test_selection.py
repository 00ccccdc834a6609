"""The ends of a replay are parsed as they were meant, or refused with a sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.admin.replay.selection import Filters, OffsetRange, RangeEnd
from schemas import ImageRequested
from schemas.recrop import ImageRecropRequested

NOW = datetime(2031, 5, 17, 8, 0, tzinfo=UTC)
OFFSETS = st.integers(0, 10**17)
SPANS = st.dictionaries(st.integers(0, 999), st.builds(range, OFFSETS, OFFSETS), max_size=12)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(SPANS)
def test_a_range_is_read_back_as_it_was_written(spans: dict[int, range]) -> None:
    """The ends that a plan prints lead to the very same offsets."""
    wanted = OffsetRange.of("lane", spans)
    if wanted.spans:
        since, until = RangeEnd.parse(wanted.starts, NOW), RangeEnd.parse(wanted.stops, NOW)
        parsed = {
            number: range(since.offset_in(number) or 0, until.offset_in(number) or 0)
            for number in spans
            if since.includes(number)
        }
        assert OffsetRange.of("lane", parsed) == wanted


@given(OFFSETS, st.integers(0, 999))
def test_one_number_is_an_offset_in_every_partition(offset: int, partition: int) -> None:
    """A number alone names no partition, so it applies to all."""
    end = RangeEnd.parse(str(offset), NOW)

    assert end.includes(partition)
    assert end.offset_in(partition) == offset


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=ZONES))  # noqa: DTZ001 - bounds are naive
def test_a_moment_keeps_its_zone(moment: datetime) -> None:
    """The same moment is read in whatever zone it is written; without a zone it is refused."""
    assert RangeEnd.parse(moment.isoformat(), NOW).moment == moment
    with pytest.raises(ValueError, match="has no time zone"):
        RangeEnd.parse(moment.replace(tzinfo=None).isoformat(), NOW)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90m", timedelta(minutes=90)),
        ("36h", timedelta(hours=36)),
        ("7d", timedelta(days=7)),
        ("1.5h", timedelta(minutes=90)),
        ("2w", timedelta(days=14)),
        ("0s", timedelta()),
    ],
)
def test_an_age_is_counted_back_from_now(text: str, ago: timedelta) -> None:
    """A duration says how long ago."""
    assert RangeEnd.parse(text, NOW).moment == NOW - ago


@given(st.text(max_size=30))
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    """Whatever is typed is an end of a range, or refused with a sentence: never another error."""
    try:
        end = RangeEnd.parse(text, NOW)
    except ValueError as error:
        assert str(error).endswith(".")  # noqa: PT017 - only where it is refused
    else:
        assert [end.moment is None, end.offset is None, not end.offsets].count(False) == 1


def test_a_partition_has_one_offset() -> None:
    """Two offsets for a partition are a mistake."""
    with pytest.raises(ValueError, match="named twice"):
        RangeEnd.parse("1:5,1:6", NOW)


RECROP = ImageRecropRequested.model_validate({"article": {"id": "a-1", "revision": 1}, "picture": {"sha256": "0" * 64}})


@pytest.mark.parametrize(
    ("filters", "chosen"),
    [
        (Filters(), True),
        (Filters(articles=frozenset({"a-1"})), True),
        (Filters(articles=frozenset({"a-2"})), False),
        (Filters(styles=frozenset({"default"})), False),
        (Filters(sections=frozenset({"weather"})), False),
    ],
)
def test_a_re_crop_has_neither_section_nor_style(filters: Filters, *, chosen: bool) -> None:
    """It is replayed with its article, and left alone where only a section or a style is wanted."""
    assert filters.match(RECROP) == chosen


def test_a_section_is_chosen_whatever_its_case() -> None:
    """A CMS writes Weather, an operator weather, as in `leadart pause`."""
    filters = Filters(sections=frozenset({"weather", "Sports"}))
    article = {"id": "a-1", "revision": 1, "headline": "Storm"}
    requests = [
        ImageRequested.model_validate({"article": {**article, "section": section}})
        for section in ("Weather", "sports", "world", None)
    ]

    assert [filters.match(request) for request in requests] == [True, True, False, False]
