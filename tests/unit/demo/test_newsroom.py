from __future__ import annotations

import pytest

from consumer.demo.newsroom import publish_file
from consumer.errors import Rejected
from consumer.settings import Settings


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "{}", '{"article": 3}', '{"article": {}}'])
async def test_a_request_without_an_article_id_is_not_published(text: str) -> None:
    """There would be no key for its record; the sentence says what is missing."""
    with pytest.raises(Rejected, match=r"article\.id"):
        await publish_file(Settings(), text)
