from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import Rejected
from consumer.kafka.request_file import SHORT_TYPES, parse_request_file
from schemas import Reason, names
from schemas.cloudevents import read, write
from schemas.reader import parse_request
from schemas.requests import REQUESTS

ARTICLE = {"id": "a-1", "revision": 7}
PICTURE = {"sha256": "0" * 64}
POINT = {"x": 0.5, "y": 0.5}
EXPIRY = {"expirytime": "2031-05-17T08:00:00Z"}


@pytest.mark.parametrize("text", [b"", b"not JSON", b"[]", b"{}", b'{"article": 3}', b'{"article": {}}'])
def test_a_request_without_an_article_id_is_refused(text: bytes) -> None:
    """Its record would have no key; the sentence says what is missing."""
    with pytest.raises(Rejected, match=r"article\.id"):
        parse_request_file(text)


@pytest.mark.parametrize("article_id", [b"a\\n1", b"x" * 3000])
def test_an_article_id_that_no_record_can_have_is_named(article_id: bytes) -> None:
    """It stands in a header, which has its own bounds: the sentence is that of the bound."""
    with pytest.raises(Rejected, match="`subject`") as refused:
        parse_request_file(b'{"article": {"id": "%s"}}' % article_id)
    assert refused.value.field == "article.id"


@pytest.mark.parametrize(
    ("data", "event_type"),
    [
        ({"article": ARTICLE}, names.IMAGE_REQUESTED),
        ({"article": {**ARTICLE, "headline": "Storm"}, "slot": "hero"}, names.IMAGE_REQUESTED),
        ({"article": {"id": "a-1"}, "brief": {"prompt": "Storm"}}, names.IMAGE_REQUESTED),
        ({"article": {**ARTICLE, "headline": "Storm"}, "reason": "regenerate"}, names.IMAGE_REQUESTED),
        ({"article": ARTICLE, "picture": PICTURE, "focal_point": POINT}, names.IMAGE_RECROP_REQUESTED),
        ({"article": ARTICLE, "picture": PICTURE, "crops": {}}, names.IMAGE_RECROP_REQUESTED),
        ({"article": ARTICLE, "picture": PICTURE, "requested_by": "kim"}, names.IMAGE_RECROP_REQUESTED),
        ({"article": ARTICLE, "picture": PICTURE, "chosen_by": "kim", "focal_point": POINT}, names.IMAGE_CHOSEN),
        ({"article": ARTICLE, "withdrawn_by": "kim"}, names.ARTICLE_WITHDRAWN),
        ({"article": ARTICLE, "slot": None, "restored_by": "kim"}, names.ARTICLE_RESTORED),
        ({"article": ARTICLE, "picture": PICTURE, "alt": "Ferries."}, names.IMAGE_CHOSEN),
        ({"article": ARTICLE, "slot": "hero", "picture": None}, names.IMAGE_CHOSEN),
        ({"article": ARTICLE, "external": True}, names.IMAGE_CHOSEN),
        ({"article": ARTICLE, "approved_by": "kim"}, names.IMAGE_APPROVED),
    ],
)
def test_the_data_tell_which_event_they_are(data: dict[str, Any], event_type: str) -> None:
    """If they can be meant as only one; nothing else of them is checked, and they are sent as they are."""
    text = json.dumps(data).encode()
    event = parse_request_file(text)

    assert (event.type, event.dataschema) == (event_type, names.dataschema(event_type))
    assert (event.subject, event.data) == ("a-1", text)


@pytest.mark.parametrize(
    "data",
    [
        {"article": ARTICLE, "picture": PICTURE},
        {"article": ARTICLE, "picture": PICTURE, "chosen_by": "kim", "requested_by": "kim"},
        {"article": ARTICLE, "picture": None, "focal_point": POINT},
        {"article": ARTICLE, "chosen_by": "kim"},
        {"article": ARTICLE, "external": False},
        {"article": ARTICLE, "slot": "hero"},
        {"article": {"id": "a-1"}},
        {"article": {"id": "a-1"}, "slot": None, "reason": "Sub judice."},
    ],
)
def test_data_that_could_be_several_events_are_refused(data: dict[str, Any]) -> None:
    """No picture is chosen or taken down by a guess; the sentence names the option, with which they are published."""
    text = json.dumps(data).encode()
    with pytest.raises(Rejected, match="--type") as refused:
        parse_request_file(text)

    assert (refused.value.reason, refused.value.field) == (Reason.WRONG_TYPE, "type")
    assert parse_request_file(text, names.ARTICLE_WITHDRAWN).type == names.ARTICLE_WITHDRAWN


@given(
    data=st.fixed_dictionaries(
        {"article": st.just(ARTICLE)},
        optional={
            "slot": st.just("hero"),
            "picture": st.sampled_from([None, PICTURE]),
            "external": st.booleans(),
            "focal_point": st.just(POINT),
            "crops": st.just({}),
            "alt": st.just("Ferries."),
            "chosen_by": st.just("kim"),
            "requested_by": st.just("kim"),
            "approved_by": st.just("kim"),
            "reason": st.just("save"),
        },
    )
)
def test_a_guess_never_chooses_a_picture_that_could_be_cropped(data: dict[str, Any]) -> None:
    """What is read as a choice without being told has a field that no re-crop has, or no picture to crop."""
    try:
        event = parse_request_file(json.dumps(data).encode())
    except Rejected:
        return
    if event.type == names.IMAGE_CHOSEN and data.get("picture"):
        assert "requested_by" not in data
        assert {"external", "alt", "chosen_by"} & data.keys()


@pytest.mark.parametrize("event_type", names.REQUESTS)
def test_a_whole_event_is_sent_as_it_is(event_type: str) -> None:
    """Its id, source and type stay, so that the same file is the same event again; the article id is the key."""
    envelope = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/cms",
        "type": event_type,
        "expirytime": "2031-05-17T08:00:00Z",
    }
    event = parse_request_file(json.dumps({**envelope, "data": {"article": {"id": "a-1"}}}).encode())
    sent = read(*write(event))

    assert (sent.id, sent.source, sent.type, sent.subject) == ("e-1", "/cms", event_type, "a-1")
    assert sent.extensions == EXPIRY


@pytest.mark.parametrize(
    ("envelope", "field"),
    [
        ({"specversion": "1.0", "id": "e-1", "source": "/cms", "type": "org.leadart.article.image-ready.v1"}, "type"),
        ({"specversion": "1.0", "id": "e-1", "source": "/cms", "type": names.IMAGE_APPROVED}, "type"),
        ({"specversion": "1.0", "source": "/cms", "type": names.IMAGE_CHOSEN}, "id"),
    ],
    ids=["an outcome", "not as told", "no id"],
)
def test_a_whole_event_that_is_none_to_publish_is_refused(envelope: dict[str, str], field: str) -> None:
    """One of another type than told, too: the field is named."""
    text = json.dumps({**envelope, "data": {"article": {"id": "a-1"}}}).encode()
    with pytest.raises(Rejected) as refused:
        parse_request_file(text, names.IMAGE_CHOSEN)

    assert refused.value.field == field


def test_every_type_has_a_short_name() -> None:
    """A file told to be of a type is read as that type."""
    assert set(SHORT_TYPES.values()) == set(REQUESTS)
    assert SHORT_TYPES["image-chosen"] == names.IMAGE_CHOSEN
    assert SHORT_TYPES["withdrawn"] == names.ARTICLE_WITHDRAWN


def test_a_file_without_a_type_is_read_by_the_worker_as_it_was_guessed() -> None:
    """The published record is valid."""
    event = parse_request_file(json.dumps({"article": ARTICLE, "picture": None}).encode())
    headers, value = write(event)

    assert isinstance(parse_request(b"a-1", headers, value)[1], REQUESTS[names.IMAGE_CHOSEN])
