from __future__ import annotations

import pytest

from consumer.errors import Rejected
from consumer.kafka.cms_client import parse_request_file


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
