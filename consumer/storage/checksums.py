"""Which header vouches for the bytes of an object: not every store takes the same one."""

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from enum import StrEnum

from botocore.exceptions import ClientError

from consumer.storage.failures import is_transient, status

SHA256_BYTES = 32


class Checksum(StrEnum):
    """The header by which a store checks what it receives, the best first.

    Backblaze B2 refuses every `x-amz-checksum-*`; a bucket with Object Lock refuses objects that have neither of them.
    """

    SHA256 = "x-amz-checksum-sha256"
    MD5 = "Content-MD5"
    NONE = "none"

    def arguments(self, body: bytes) -> dict[str, str]:
        """Return the arguments of PutObject that carry the checksum of a body."""
        if self is Checksum.SHA256:
            return {"ChecksumSHA256": b64encode(hashlib.sha256(body).digest()).decode()}
        if self is Checksum.MD5:
            return {"ContentMD5": b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}
        return {}

    @property
    def weaker(self) -> Sequence["Checksum"]:
        """What to try with a store that refuses this one."""
        every = list(Checksum)
        return every[every.index(self) + 1 :]


def may_blame_header(error: ClientError) -> bool:
    """Return whether the store may have refused a header of the request: stores differ in how they say it."""
    return status(error) in {400, 501} and not is_transient(error)


def stored_sha256(headers: Mapping[str, str]) -> str | None:
    """Return the SHA-256 (hex) that the store keeps of an object, None if it has none of the whole object.

    Amazon's of an object copied in parts is one of the parts' checksums, and ends in their number.
    """
    try:
        digest = b64decode(headers.get("x-amz-checksum-sha256", ""), validate=True)
    except NotBase64:
        return None
    return digest.hex() if len(digest) == SHA256_BYTES else None
