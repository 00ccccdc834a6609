"""`schemas.event`: which attributes a CloudEvent may have."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from schemas import ContractError, Reason
from schemas.event import ATTRIBUTE_CHARACTERS, Event, shown, timestamp


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "dataschema", "datacontenttype"])
def test_empty_attributes_are_refused(name: str) -> None:
    """A CloudEvents attribute is absent or has a value, never an empty one."""
    sound = Event(id="1", source="/cms", type="t")
    with pytest.raises(ContractError) as caught:
        replace(sound, **{name: ""})  # type: ignore[arg-type]  # names of text attributes only
    assert (caught.value.reason, caught.value.field) == (Reason.NOT_CLOUDEVENT, name)


@pytest.mark.parametrize("text", ["a\nb", "\x00", "\x7f", "\x85", "\ud800", "\ufdd0", "\uffff"])
def test_characters_that_cloudevents_forbids_are_refused(text: str) -> None:
    """Control characters, lone surrogates and noncharacters are not allowed in an attribute."""
    with pytest.raises(ContractError, match="`id` holds a control character"):
        Event(id=text, source="/cms", type="t")


@pytest.mark.parametrize("name", ["correlation_id", "Trace", "data", "specversion", "id", "", "é"])
def test_extension_names_are_lower_case_letters_and_digits(name: str) -> None:
    """An extension with another name, or with a reserved one, is refused."""
    with pytest.raises(ContractError) as caught:
        Event(id="1", source="/cms", type="t", extensions={name: "x"})
    assert caught.value.reason is Reason.NOT_CLOUDEVENT


def test_a_long_attribute_is_too_large() -> None:
    """Any intermediary may log attributes, so they stay short."""
    Event(id="x" * ATTRIBUTE_CHARACTERS, source="/cms", type="t")
    with pytest.raises(ContractError) as caught:
        Event(id="x" * (ATTRIBUTE_CHARACTERS + 1), source="/cms", type="t")
    assert (caught.value.reason, caught.value.field) == (Reason.TOO_LARGE, "id")


@pytest.mark.parametrize("zone", [None, timezone(timedelta(seconds=30))])
def test_times_need_an_offset_in_whole_minutes(zone: timezone | None) -> None:
    """RFC 3339 cannot represent other offsets, so no event has them."""
    with pytest.raises(ContractError) as caught:
        Event(id="1", source="/cms", type="t", time=datetime(2026, 11, 23, tzinfo=zone))
    assert caught.value.field == "time"


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-3))])
def test_times_with_an_offset_are_kept(zone: timezone) -> None:
    """Any zone that RFC 3339 can represent is allowed."""
    moment = datetime(2026, 11, 23, tzinfo=zone)
    assert Event(id="1", source="/cms", type="t", time=moment).time == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T08:15:00Z", datetime(2026, 11, 23, 8, 15, tzinfo=UTC)),
        ("2026-11-23t08:15:00z", datetime(2026, 11, 23, 8, 15, tzinfo=UTC)),
        ("2026-11-23T09:15:00.5+01:00", datetime(2026, 11, 23, 8, 15, 0, 500_000, tzinfo=UTC)),
        ("2026-11-23T08:15:00.123456789Z", datetime(2026, 11, 23, 8, 15, 0, 123_456, tzinfo=UTC)),
        ("2026-11-23T08:15:00-00:00", datetime(2026, 11, 23, 8, 15, tzinfo=UTC)),
    ],
)
def test_rfc_3339_is_read(text: str, moment: datetime) -> None:
    """Lower case, fractions of any length and any offset are read."""
    assert timestamp("time", text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "20261123T081500Z",
        "2026-W48-1",
        "2026-11-23",
        "2026-11-23T08:15:00",
        "2026-11-23 08:15:00Z",
        "2026-13-23T08:15:00Z",
        "2026-11-23T08:15:00+01:99",
        "2026-11-23T08:15:00+24:00",
        "٢٠٢٦-11-23T08:15:00Z",
        "1795421700",
    ],
)
def test_what_is_not_rfc_3339_is_an_invalid_field(text: str) -> None:
    """Other notations, which a lenient parser would accept, are refused, and the attribute is named."""
    with pytest.raises(ContractError) as caught:
        timestamp("expirytime", text)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_FIELD, "expirytime")


def test_expirytime_is_read_from_its_extension() -> None:
    """The extension is parsed as a time, and None if it is absent."""
    bare = Event(id="1", source="/cms", type="t")
    dated = Event(id="1", source="/cms", type="t", extensions={"expirytime": "2026-11-23T08:15:00Z"})
    assert (bare.expirytime, dated.expirytime) == (None, datetime(2026, 11, 23, 8, 15, tzinfo=UTC))


@pytest.mark.parametrize("text", ["x" * 2049, "a\x00b"])
def test_a_long_extension_name_is_shortened(text: str) -> None:
    """CloudEvents does not limit names, but errors, log lines and failed outcomes are limited."""
    with pytest.raises(ContractError) as caught:
        Event(id="1", source="/cms", type="t", extensions={"x" * 20_000: text})
    assert (len(caught.value.field or ""), len(caught.value.message) < 120) == (40, True)


def test_names_from_outside_are_shown_short_and_in_ascii() -> None:
    """A header's name cannot inject anything into a message or a log line."""
    assert shown("ce_\x1b[31m" + "x" * 100) == "ce_\\x1b[31m" + "x" * 32
