from __future__ import annotations

from typing import Any

import pytest

from tests.support.gateway import SOURCES, GatewayBench, ready
from tests.support.harness import request_data

FLAT = {
    "prompt": "A lighthouse in a storm",
    "negative_prompt": "people",
    "num_images": 2,
    "steps": 4,
    "cfg_scale": 2.5,
    "width": 128,
    "height": 64,
    "seed": 7,
    "style_preset": "anime",
}


async def test_a_request_is_accepted_with_where_to_follow_it(bench: GatewayBench) -> None:
    """202 and `Location`; there is its state, and at last its outcome."""
    answer = await bench.call("POST", "/v1/images", request_data("a-1"))
    where = answer.headers["location"]
    queued = (await bench.call("GET", where)).json()
    bench.announce("progress", queued, stage="step", step=1, of=2, index=0)
    painting = (await bench.call("GET", where)).json()
    bench.announce("ready", queued, **ready("a" * 64))
    done = (await bench.call("GET", where)).json()

    assert answer.status_code == 202
    assert where == f"/v1/images/{queued['id']}"
    assert [each["state"] for each in (answer.json(), queued, painting, done)] == [
        "queued",
        "queued",
        "painting",
        "ready",
    ]
    assert painting["progress"][0]["step"] == 1
    assert (done["final"], done["outcome"]["pictures"][0]["sha256"]) == (True, "a" * 64)
    assert done["request"]["article"]["headline"] == "Storm over the harbour"


async def test_the_answer_says_what_was_not_understood(bench: GatewayBench) -> None:
    """Unknown fields are named with what they may have been meant for, as the outcome will have it."""
    image = await bench.ask({**request_data("a-1", outputs={"widht": 3}, output={"widht": 64}), "foo": None})
    assert image["ignored"] == ["output.widht", "outputs"]
    assert image["did_you_mean"] == {"output.widht": "output.width", "outputs": "output"}

    approval = await bench.call("POST", "/v1/articles/a-1/slots/hero/approve", {"approvedBy": "Ada"})
    assert approval.json()["ignored"] == ["approvedBy"]


async def test_flat_fields_are_a_request_about_an_article_of_its_own(bench: GatewayBench) -> None:
    """Each has its place in the event; guidance is passed on as it is, and somebody is waiting."""
    image = await bench.ask(FLAT)
    assert image["article"]["id"].startswith("generated-")
    assert image["request"] == {
        "article": {"id": image["article"]["id"], "revision": 1},
        "priority": "interactive",
        "brief": {"prompt": "A lighthouse in a storm", "negative_prompt": "people"},
        "output": {"variants": 2, "width": 128, "height": 64},
        "generation": {"steps": 4, "guidance_scale": 2.5, "seed": 7},
        "style": {"preset": "anime"},
    }
    assert (image["ignored"], image["did_you_mean"]) == ([], {})


async def test_flat_fields_that_are_unknown_are_named(bench: GatewayBench) -> None:
    """What they may have been meant for is a flat field, too."""
    image = await bench.ask({"prompt": "A lighthouse", "stepz": 3, "seed": None})
    assert (image["ignored"], image["did_you_mean"]) == (["stepz"], {"stepz": "steps"})
    assert "generation" not in image["request"]


@pytest.mark.parametrize(
    ("change", "field", "reason", "words"),
    [
        ({"cfg_scale": 21}, "cfg_scale", "invalid_field", "`cfg_scale` is 21, which is too large: at most 20."),
        ({"num_images": 10}, "num_images", "invalid_field", "`num_images` is 10, which is too large: at most 9."),
        ({"steps": "4"}, "steps", "invalid_field", "`steps` is not a whole number"),
        ({"prompt": None}, "prompt", "missing_field", "`prompt` is missing: fill it in."),
        ({"prompt": " "}, "prompt", "missing_field", "`prompt` is missing: fill it in."),
        ({"prompt": "..."}, "prompt", "missing_field", "`prompt` has no word that can be painted"),
        ({"style_preset": "cubist"}, "style_preset", "unknown_style", "There is no style preset 'cubist'"),
        ({"width": 2048, "height": 2048}, "width", "invalid_field", "`width` is 2048 at a height of 2048"),
        ({"height": 63}, "height", "invalid_field", "`height` is 63"),
    ],
)
async def test_an_error_in_flat_fields_names_those(
    bench: GatewayBench, change: dict[str, Any], field: str, reason: str, words: str
) -> None:
    """The caller never wrote `generation.guidance_scale`, and is not told to correct it."""
    answer = await bench.call("POST", "/v1/images", {**FLAT, **change})
    problem = answer.json()
    assert (answer.status_code, problem["field"], problem["reason"]) == (422, field, reason)
    assert problem["detail"].startswith(words)


@pytest.mark.parametrize(
    ("body", "field", "did_you_mean"),
    [
        ({}, "article", None),
        ({"promt": "A lighthouse"}, "article", {"promt": "prompt"}),
        ({"artcle": {"id": "a-1"}}, "article", {"artcle": "article"}),
        ({"promt": "A lighthouse", "steps": 4}, "prompt", {"promt": "prompt"}),
        (
            {"article": {"id": "a-1", "revison": 1, "headline": "Storm"}},
            "article.revision",
            {"article.revison": "article.revision"},
        ),
    ],
)
async def test_what_is_missing_is_told_with_what_may_have_been_meant_for_it(
    bench: GatewayBench, body: dict[str, Any], field: str, did_you_mean: dict[str, str] | None
) -> None:
    """A field whose name was mistyped is named, in the words of the bus."""
    answer = await bench.call("POST", "/v1/images", body)
    problem = answer.json()
    assert (answer.status_code, problem["field"], problem.get("did_you_mean")) == (422, field, did_you_mean)
    if field == "article":
        assert problem["detail"] == "`article` is missing: fill it in."  # as on the bus


async def test_a_repeat_of_flat_fields_under_a_key_is_one_request(bench: GatewayBench) -> None:
    """Its own article is the same, too; without a key each call is another request."""
    answers = [
        (await bench.call("POST", "/v1/images", FLAT, **headers)).json()
        for headers in ({"idempotency_key": "k"}, {"idempotency_key": "k"}, {}, {})
    ]
    assert answers[0] == answers[1]
    assert len({each["article"]["id"] for each in answers}) == 3


async def test_what_one_may_not_see_is_not_there(bench: GatewayBench) -> None:
    """An unknown id, and one of another source."""
    image = await bench.ask(request_data("a-1"))
    for source, name in ((SOURCES[1], image["id"]), (SOURCES[0], "nothing")):
        answer = await bench.call("GET", f"/v1/images/{name}", source=source)
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")


async def test_who_is_nobody_gets_nothing(bench: GatewayBench) -> None:
    """401, and how to come in."""
    for headers in ({}, {"authorization": "Bearer leadart_00000000_x"}, {"authorization": "Basic eDp5"}):
        answer = await bench.client.post("/v1/images", json=request_data("a-1"), headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
