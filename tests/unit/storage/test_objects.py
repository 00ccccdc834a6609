from __future__ import annotations

import pytest

from consumer.storage.objects import unchanged


@pytest.mark.parametrize("etag", ['"ab-2"', 'W/"ab-2"', "ab-2"])
def test_an_object_is_compared_by_its_strong_etag(etag: str) -> None:
    """A proxy may have made the ETag weak, which no `If-Match` accepts, or a store may have left the quotes out."""
    assert unchanged(etag) == {"IfMatch": '"ab-2"'}
    assert unchanged(etag, bare=True) == {"IfMatch": "ab-2"}
