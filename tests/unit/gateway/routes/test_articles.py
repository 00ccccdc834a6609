from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from schemas import names
from schemas.cloudevents import read
from tests.support.gateway import SOURCES, GatewayBench, ready
from tests.support.harness import request_data

ONE = "a" * 64


async def test_articles_are_listed_the_latest_changed_first(bench: GatewayBench) -> None:
    """Those of the caller's source, found by words of headline, section and id, or by a slot's state."""
    first = await bench.ask(request_data("a-1", article={"section": "Sport"}))
    await bench.ask(request_data("a-2"))
    await bench.ask(request_data("b-1"), SOURCES[1])
    bench.announce("ready", first, **ready(ONE))

    async def listed(query: str = "") -> list[str]:
        answer = await bench.call("GET", f"/v1/articles{query}")
        return [article["id"] for article in answer.json()["articles"]]

    assert await listed() == ["a-1", "a-2"]
    assert await listed("?q=storm a-2") == ["a-2"]
    assert await listed("?q=sport") == ["a-1"]
    assert await listed("?state=ready") == ["a-1"]
    assert await listed("?limit=1") == ["a-1"]
    assert (await bench.call("GET", "/v1/articles")).json()["position"]


async def test_articles_are_read_page_by_page(bench: GatewayBench) -> None:
    """`next` of one page is `before` of the next, whatever the ids have in them; the last one's is null."""
    for article in ("a-1", "news/2-x", "稿 3"):
        await bench.ask(request_data(article, 1))
    first = (await bench.call("GET", "/v1/articles?limit=2")).json()
    second = (await bench.call("GET", f"/v1/articles?limit=2&before={quote(first['next'])}")).json()
    assert [each["id"] for each in first["articles"] + second["articles"]] == ["稿 3", "news/2-x", "a-1"]
    assert second["next"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", f"q={'x' * 201}", "limt=3", "state=redy", "before=a-1", "before=7"]
)
async def test_a_query_out_of_bounds_is_named(bench: GatewayBench, query: str) -> None:
    """422 with the parameter as the field."""
    answer = await bench.call("GET", f"/v1/articles?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, query.partition("=")[0])


async def test_a_slot_says_what_it_shows_and_what_was_asked(bench: GatewayBench) -> None:
    """Its picture, its newest revision and its history, newest first."""
    first = await bench.ask(request_data("a-1", 1))
    bench.announce("ready", first, **ready(ONE))
    second = await bench.ask(request_data("a-1", 2))

    slot = (await bench.call("GET", "/v1/articles/a-1/slots/hero")).json()
    assert (slot["revision"], slot["state"], slot["picture"]["sha256"]) == (2, "queued", ONE)
    assert [each["id"] for each in slot["history"]] == [second["id"], first["id"]]
    assert slot["shown"]["pictures"][0]["sha256"] == ONE
    assert (await bench.call("GET", "/v1/articles/a-1/slots/thumb")).status_code == 404
    assert (await bench.call("GET", "/v1/articles/a-9/slots/hero")).status_code == 404


@pytest.mark.parametrize(
    ("action", "body", "event_type", "kind"),
    [
        ("choose", {"picture": {"sha256": ONE}, "alt": "Ferries."}, names.IMAGE_CHOSEN, "choice"),
        (
            "crop",
            {"picture": {"sha256": ONE}, "focal_point": {"x": 0.5, "y": 0.5}},
            names.IMAGE_RECROP_REQUESTED,
            "crop",
        ),
        ("approve", {}, names.IMAGE_APPROVED, "approval"),
        ("withdraw", {"reason": "A person asked."}, names.ARTICLE_WITHDRAWN, "withdrawal"),
        ("restore", {}, names.ARTICLE_RESTORED, "restoration"),
    ],
)
async def test_a_decision_is_published_about_the_slot(
    bench: GatewayBench, action: str, body: dict[str, Any], event_type: str, kind: str
) -> None:
    """Article, slot, newest revision and who decides are filled in; the answer is followed as a request is."""
    await bench.ask(request_data("a-1", 7))
    answer = await bench.call("POST", f"/v1/articles/a-1/slots/hero/{action}", body)
    record = bench.published[-1]
    event = read(record.headers, record.value)
    revision = {} if kind in {"withdrawal", "restoration"} else {"revision": 7}
    by = {
        "choice": "chosen_by",
        "crop": "requested_by",
        "approval": "approved_by",
        "withdrawal": "withdrawn_by",
        "restoration": "restored_by",
    }[kind]
    who = {by: bench.gateway.keys.keys[0].id}

    assert (answer.status_code, answer.json()["kind"]) == (202, kind)
    assert (event.type, event.source, event.data) == (
        event_type,
        SOURCES[0],
        {**who, **body, "article": {**revision, "id": "a-1"}, "slot": "hero"},
    )
    assert answer.headers["location"] == f"/v1/images/{answer.json()['id']}"


@pytest.mark.parametrize("body", [{}, {"sha256": ONE}, {"alt": "Ferries."}, {"external": False}, {"external": None}])
async def test_a_choice_is_let_go_of_only_in_so_many_words(bench: GatewayBench, body: dict[str, Any]) -> None:
    """A body that forgot its picture is refused, and nothing is published."""
    await bench.ask(request_data("a-1"))
    published = len(bench.published)
    answer = await bench.call("POST", "/v1/articles/a-1/slots/hero/choose", body)
    problem = answer.json()
    assert (answer.status_code, problem["reason"], problem["field"]) == (422, "missing_field", "picture")
    assert problem.get("did_you_mean") == ({"sha256": "picture.sha256"} if "sha256" in body else None)
    assert len(bench.published) == published


@pytest.mark.parametrize("body", [{"picture": None}, {"external": True}])
async def test_a_choice_without_a_picture_is_said(bench: GatewayBench, body: dict[str, Any]) -> None:
    """Null lets go; a picture of the site's own needs none of leadart's."""
    await bench.ask(request_data("a-1"))
    assert (await bench.call("POST", "/v1/articles/a-1/slots/hero/choose", body)).status_code == 202


@pytest.mark.parametrize("body", [{}, {"picture": None}, {"picture": {}}, {"sha256": ONE}])
async def test_a_crop_names_its_picture(bench: GatewayBench, body: dict[str, Any]) -> None:
    """As the contract has it: 422 with the field, and nothing is published."""
    await bench.ask(request_data("a-1"))
    answer = await bench.call("POST", "/v1/articles/a-1/slots/hero/crop", body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "missing_field")
    assert answer.json()["field"].startswith("picture")
    assert len(bench.published) == 1


async def test_a_decision_may_name_its_own_revision(bench: GatewayBench) -> None:
    """An editor decides about what they saw, not about what came meanwhile."""
    await bench.ask(request_data("a-1", 7))
    body = {"article": {"id": "other", "revision": 3}, "slot": "thumb", "picture": {"sha256": ONE}}
    answer = await bench.call("POST", "/v1/articles/a-1/slots/hero/choose", body)
    assert answer.json()["article"] == {"id": "a-1", "revision": 3}
    assert answer.json()["slot"] == "hero"


@pytest.mark.parametrize("article", ["2026/11/storm", "a%2Fb", "x/slots", "naïve?#id", "a//b"])
async def test_an_article_is_found_by_any_id_of_the_contract(bench: GatewayBench, article: str) -> None:
    """Slashes are common in the ids of news sites: encoded or not, they name the article."""
    asked = await bench.ask(request_data(article))
    bench.announce("ready", asked, **ready(ONE))
    encoded = quote(article, safe="")
    for address in {encoded, encoded.replace("%2F", "/")}:
        found = await bench.call("GET", f"/v1/articles/{address}")
        assert found.json()["id"] == article
        slot = await bench.call("GET", f"/v1/articles/{address}/slots/hero")
        assert slot.json()["article"]["id"] == article
        chosen = await bench.call("POST", f"/v1/articles/{address}/slots/hero/choose", {"picture": {"sha256": ONE}})
        assert chosen.json()["article"]["id"] == article
        assert (await bench.call("GET", f"/v1/articles/{address}", source=SOURCES[1])).status_code == 404


async def test_a_decision_is_repeated_after_the_article_was_saved_again(bench: GatewayBench) -> None:
    """A repeat with its idempotency key gets the first answer: the revision that was filled in then stays."""
    bench.announce("ready", await bench.ask(request_data("a-1", 1)), **ready(ONE))
    body = {"picture": {"sha256": ONE}}
    first = await bench.call("POST", "/v1/articles/a-1/slots/hero/choose", body, idempotency_key="k")
    await bench.ask(request_data("a-1", 2))
    again = await bench.call("POST", "/v1/articles/a-1/slots/hero/choose", body, idempotency_key="k")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert again.json()["article"]["revision"] == 1
