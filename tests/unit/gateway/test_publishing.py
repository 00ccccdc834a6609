from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from consumer.delivery.ports import BusError
from consumer.delivery.retry import RetryState
from consumer.errors import Rejected
from consumer.jobs import ModelIdentity, Paintable, Record
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.prompting import make_plan
from consumer.processing.reading import parsed
from consumer.processing.styles import load_styles
from consumer.settings import Settings
from schemas import ImageRequested, names
from schemas.cloudevents import Event, write
from tests.fuzz.fields import OTHER_TYPES, fields, set_at
from tests.support.gateway import SOURCES, GatewayBench, open_bench
from tests.support.harness import request_data

EXAMPLES = Path(schemas.__file__).parent / "examples"
PATHS = {
    "image-recrop-requested": "crop",
    "image-chosen": "choose",
    "image-approved": "approve",
    "withdrawn": "withdraw",
    "restored": "restore",
}


def examples(kind: str) -> list[dict[str, Any]]:
    return [json.loads(file.read_text())["data"] for file in sorted((EXAMPLES / kind / "v1").glob("*.json"))]


def said_on_the_bus(event_type: str, data: object) -> tuple[Any, Any, Any] | None:
    """Return what the worker's failed outcome says of these data; None if it would paint."""
    article = data.get("article") if isinstance(data, dict) else None
    key = article.get("id") if isinstance(article, dict) else None
    headers, value = write(Event(id="r-1", source=SOURCES[0], type=event_type, data=data))
    state = RetryState(Record(names.REQUESTED, 0, 0, str(key).encode(), value, tuple(headers), 0))
    try:
        _, request = parsed(state)
        if isinstance(request, ImageRequested):
            make_plan(request, load_styles(), Paintable(ModelIdentity("swatch", "0" * 64)))
    except Rejected as error:
        facts = OutcomeBuilder(Settings()).failed(state, error).facts
        return facts["reason"], facts["field"], facts["message"]
    return None


async def said_over_http(path: str, body: object, before: dict[str, Any] | None = None) -> tuple[Any, Any, Any] | None:
    async with open_bench() as bench:
        if before is not None:
            await bench.ask(before)
        answer = await bench.call("POST", path, json.dumps(body).encode())
        if answer.status_code == 202:
            return None
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.status_code == problem["status"] in {400, 413, 422}
        return problem["reason"], problem.get("field"), problem["detail"]


@st.composite
def mutated_requests(draw: st.DrawFn) -> Any:
    data = draw(st.sampled_from([*examples("image-requested"), request_data("a-1")]))
    for _ in range(draw(st.integers(1, 2))):
        field = draw(st.sampled_from(fields()))
        text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
        value = draw(st.sampled_from(OTHER_TYPES) | text | st.integers(-5, 3_000) | st.floats(-3, 3))
        data = set_at(data, field.path, value)
    return data


@given(mutated_requests())
def test_a_request_is_refused_with_the_words_of_a_failed_outcome(data: Any) -> None:
    """For any mutated body: the same reason, field and sentence as on the bus, or accepted by both."""
    assert asyncio.run(said_over_http("/v1/images", data)) == said_on_the_bus(names.IMAGE_REQUESTED, data)


def leaves(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in data.items() if isinstance(data, dict) else ():
        yield (*path, name)
        yield from leaves(value, (*path, name))


@st.composite
def mutated_decisions(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    kind = draw(st.sampled_from(sorted(PATHS)))
    data = copy.deepcopy(draw(st.sampled_from(examples(kind))))
    path = draw(st.sampled_from([*sorted(leaves(data)), ("caption",), ("crops", "hero"), ("note",)]))
    return kind, set_at(data, path, draw(st.sampled_from(OTHER_TYPES)))


@given(mutated_decisions())
def test_a_decision_is_refused_with_the_words_of_a_failed_outcome(mutated: tuple[str, dict[str, Any]]) -> None:
    """The same of choices, crops, approvals and withdrawals, whose article and slot are in the address."""
    kind, data = mutated
    event_type = f"org.leadart.article.{kind}.v1"
    whole = {**data, "slot": "hero"}
    if isinstance(data.get("article"), dict | None):
        revision = {} if kind in {"withdrawn", "restored"} else {"revision": 1}
        own = {name: value for name, value in (data.get("article") or {}).items() if value is not None}
        whole["article"] = {**revision, **own, "id": "a-1"}
    over_http = asyncio.run(said_over_http(f"/v1/articles/a-1/slots/hero/{PATHS[kind]}", data, request_data("a-1")))
    assert over_http == said_on_the_bus(event_type, whole)


@pytest.mark.parametrize("body", [None, [], "text", 7, True, '{"article": {}}', {}, {"payload": {}, "schema": {}}])
async def test_a_body_that_is_no_request_at_all_too(body: Any) -> None:
    """What is no object, or wraps one, gets the sentence that it gets as an event's data."""
    assert await said_over_http("/v1/images", body) == said_on_the_bus(names.IMAGE_REQUESTED, body)


async def test_ids_that_an_attribute_takes_are_keys() -> None:
    """Persian and Indic ids are spelled with joiners, which are no printable characters."""
    async with open_bench() as bench:
        await bench.ask(request_data("\u062e\u0628\u0631\u200c\u0647\u0627"))
        assert bench.published[0].key == "\u062e\u0628\u0631\u200c\u0647\u0627".encode()


async def test_an_idempotency_key_is_one_request(bench: GatewayBench) -> None:
    """A repeat gets the first answer and publishes nothing; another request under the same key is refused."""
    first = await bench.call("POST", "/v1/images", request_data("a-1"), idempotency_key="save 7")
    again = await bench.call("POST", "/v1/images", request_data("a-1"), idempotency_key="save 7")
    other = await bench.call("POST", "/v1/images", request_data("a-1", 2), idempotency_key="save 7")
    elsewhere = await bench.call("POST", "/v1/images", request_data("b-1"), SOURCES[1], idempotency_key="save 7")

    assert first.json() == again.json()
    assert (other.status_code, other.json()["reason"]) == (422, "idempotency_key_reused")
    assert elsewhere.json()["id"] != first.json()["id"]
    assert len(bench.published) == 2


async def test_nothing_is_accepted_that_kafka_does_not_confirm(bench: GatewayBench) -> None:
    """503 with when to try again, which does not say that it was not published, and nothing on the board."""
    bench.publisher.down = True
    answer = await bench.call("POST", "/v1/images", request_data("a-1"))
    assert (answer.status_code, answer.json()["reason"]) == (503, "unanswered")
    assert answer.headers["retry-after"]
    assert bench.gateway.board.article("a-1") is None


async def test_nothing_is_sent_while_kafka_is_known_to_be_away(bench: GatewayBench) -> None:
    """503 at once, which says that nothing was published and why; once Kafka is back it is."""
    bench.gateway.feed.link.lost(BusError("no answer within 5 s"))
    answer = await bench.call("POST", "/v1/images", request_data("a-1"), idempotency_key="save 7")
    assert (answer.status_code, answer.json()["reason"]) == (503, "bus_unavailable")
    assert answer.json()["detail"].startswith("Nothing was published: Kafka does not answer (no answer within 5 s).")
    assert (answer.headers["retry-after"], bench.published) == ("5", [])

    bench.gateway.feed.link.found()
    assert (await bench.call("POST", "/v1/images", request_data("a-1"), idempotency_key="save 7")).status_code == 202


async def test_another_source_s_article_is_not_there(bench: GatewayBench) -> None:
    """Its article can be neither asked for nor decided about; it looks as if it did not exist."""
    await bench.ask(request_data("a-1"))
    asked = await bench.call("POST", "/v1/images", request_data("a-1", 2), SOURCES[1])
    chosen = await bench.call("POST", "/v1/articles/a-1/slots/hero/approve", {}, SOURCES[1])
    assert (asked.status_code, chosen.status_code) == (404, 404)
    assert len(bench.published) == 1


async def test_repeats_at_the_same_moment_are_published_once(bench: GatewayBench) -> None:
    """A client that gave up too early and asks again, several times, gets the first answer each time."""
    body = request_data("a-1")
    answers = await asyncio.gather(*[bench.call("POST", "/v1/images", body, idempotency_key="k") for _ in range(5)])
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(bench.published) == 1


@pytest.mark.parametrize("other", [request_data("a-1", 2), request_data("a-2")])
async def test_an_idempotency_key_for_two_requests_at_once_publishes_one(
    bench: GatewayBench, other: dict[str, Any]
) -> None:
    """The second is refused, and is not on the bus, also if it names another article."""
    asked = [bench.call("POST", "/v1/images", body, idempotency_key="k") for body in (request_data("a-1"), other)]
    first, second = await asyncio.gather(*asked)
    assert (first.status_code, second.status_code) == (202, 422)
    assert second.json()["reason"] == "idempotency_key_reused"
    assert len(bench.published) == 1
