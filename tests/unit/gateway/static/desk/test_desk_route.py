"""route.js: addresses within the desk."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.desk_modules import called

EVERYTHING = {"q": "", "state": "", "section": ""}


@pytest.mark.parametrize(
    ("address", "route"),
    [
        ("", {"view": "list", "query": EVERYTHING}),
        ("#/", {"view": "list", "query": EVERYTHING}),
        ("#/held", {"view": "list", "query": {**EVERYTHING, "state": "held"}}),
        (
            "#/?q=storm+surge&section=Weather",
            {"view": "list", "query": {"q": "storm surge", "state": "", "section": "Weather"}},
        ),
        ("#/a/news%2F7/inline-2", {"view": "article", "article": "news/7", "slot": "inline-2", "query": EVERYTHING}),
        ("#/a/a-1", {"view": "list", "query": EVERYTHING}),
        ("#/a/%E0%A4%A/hero", {"view": "list", "query": EVERYTHING}),
        ("#/nowhere", {"view": "list", "query": EVERYTHING}),
    ],
)
def test_an_address_has_a_view(address: str, route: dict[str, Any]) -> None:
    """What is no address of the desk shows the list."""
    assert called("route.js", [("parseRoute", [address])]) == [route]


@pytest.mark.parametrize("article_id", ["a-1", "news/7", "a b", "稿件?#%", "100%"])
def test_an_articles_address_leads_back_to_it(article_id: str) -> None:
    """Whatever its id has in it."""
    (address,) = called("route.js", [("slotHash", [article_id, "hero"])])
    (route,) = called("route.js", [("parseRoute", [address])])
    assert (route["article"], route["slot"]) == (article_id, "hero")


def test_a_searchs_address_leads_back_to_it() -> None:
    """Words, state and section are in it, and nothing where there are none."""
    query = {"q": "a&b=c", "state": "held", "section": "自然"}
    address, empty = called("route.js", [("listHash", [query]), ("listHash", [EVERYTHING])])
    assert called("route.js", [("parseRoute", [address])])[0]["query"] == query
    assert empty == "#/"
