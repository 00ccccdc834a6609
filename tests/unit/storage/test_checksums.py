from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest
from botocore.exceptions import ClientError

from consumer.storage.checksums import Checksum, may_blame_header, stored_sha256

SHA256 = hashlib.sha256(b"x").digest()


@pytest.mark.parametrize(
    ("shown", "sha256"),
    [
        (b64encode(SHA256).decode(), SHA256.hex()),
        (b64encode(SHA256).decode() + "-2", None),
        (b64encode(b"short").decode(), None),
        ("no base64", None),
        ("", None),
    ],
)
def test_only_a_checksum_of_the_whole_object_counts(shown: str, sha256: str | None) -> None:
    """Amazon's of an object copied in parts is one of their checksums: it says nothing of the bytes as a whole."""
    assert stored_sha256({"x-amz-checksum-sha256": shown}) == sha256


def test_a_store_that_shows_no_checksum_has_none() -> None:
    """Other headers are no checksum."""
    assert stored_sha256({"etag": "x"}) is None


def test_weaker_headers_are_tried_in_order() -> None:
    """After the best comes what nearly every store takes, then nothing, then no more."""
    assert list(Checksum.SHA256.weaker) == [Checksum.MD5, Checksum.NONE]
    assert list(Checksum.NONE.weaker) == []


@pytest.mark.parametrize(
    ("code", "status", "blamed"),
    [
        ("InvalidArgument", 400, True),
        ("NotImplemented", 501, True),
        ("BadDigest", 400, False),
        ("RequestTimeout", 400, False),
        ("AccessDenied", 403, False),
        ("PreconditionFailed", 412, False),
        ("SlowDown", 503, False),
    ],
)
def test_a_header_is_blamed_for_refusals_only(code: str, status: int, blamed: bool) -> None:  # noqa: FBT001 - a parameter
    """A body that was cut off or damaged, a missing right and a condition are no reason to leave a checksum out."""
    error = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")
    assert may_blame_header(error) is blamed
