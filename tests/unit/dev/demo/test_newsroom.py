from __future__ import annotations

import pytest

from consumer.dev.demo.newsroom import publish_file
from consumer.errors import Rejected
from consumer.settings import Settings


@pytest.mark.parametrize("text", [b"", b"not JSON", b"[]", b"{}", b'{"article": 3}', b'{"article": {}}'])
async def test_a_request_without_an_article_id_is_not_published(text: bytes) -> None:
    """There would be no key for its record; the sentence says what is missing."""
    with pytest.raises(Rejected, match=r"article\.id"):
        await publish_file(Settings(), text)


@pytest.mark.parametrize("article_id", [b"a\\n1", b"x" * 3000])
async def test_an_article_id_that_no_record_can_have_is_named(article_id: bytes) -> None:
    """It stands in a header, which has its own bounds: the sentence is that of the bound."""
    with pytest.raises(Rejected, match="`subject`") as refused:
        await publish_file(Settings(), b'{"article": {"id": "%s"}}' % article_id)
    assert refused.value.field == "article.id"
