from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from consumer.delivery.ports import BusError
from tests.support.gateway import SOURCES, GatewayBench, open_bench, ready
from tests.support.samples import ASKED, MASTER, RECIPE

ONE = "a" * 64
PROMPT = {"prompt": "A lighthouse in a storm"}


@pytest.fixture
async def keyless() -> AsyncIterator[GatewayBench]:
    """A gateway whose operator lets everybody use the task API, as they could before."""
    async with open_bench(gateway={"task_api_source": "/cms/old"}) as opened:
        yield opened


async def generate(bench: GatewayBench, **fields: Any) -> httpx2.Response:
    return await bench.client.post("/api/v1/generate", json={**PROMPT, **fields})


def image_of(bench: GatewayBench, task_id: str) -> dict[str, Any]:
    (image,) = bench.gateway.board.images(task_id)
    return image.details()


async def test_a_task_is_accepted_polled_and_fetched(keyless: GatewayBench) -> None:
    """What the panel in the editor did: generate, status until completed, result, files."""
    stored = await keyless.gateway.store.keep(RECIPE, MASTER, ASKED)
    accepted = (await generate(keyless)).json()
    task = accepted["task_id"]
    assert accepted == {
        "task_id": task,
        "status": "accepted",
        "message": accepted["message"],
        "check_status_url": f"/api/v1/tasks/{task}/status",
    }

    async def status() -> dict[str, Any]:
        found: dict[str, Any] = (await keyless.client.get(accepted["check_status_url"])).json()
        return found

    pending = await status()
    keyless.announce("progress", image_of(keyless, task), stage="step", step=1, of=2)
    processing = await status()
    early = await keyless.client.get(f"/api/v1/tasks/{task}/result")
    keyless.announce("ready", image_of(keyless, task), **ready(stored.sha256))
    completed = await status()
    result = (await keyless.client.get(f"/api/v1/tasks/{task}/result")).json()
    file = await keyless.client.get(result["image_urls"][0])

    assert [each["status"] for each in (pending, processing, completed)] == ["pending", "processing", "completed"]
    assert (pending["result"], completed["result"]) == (None, result)
    assert (early.status_code, list(early.json())) == (400, ["detail"])
    assert result == {"image_urls": [f"/generated-images/1970-01-01/{task}_0_{stored.sha256}.png"], "count": 1}
    assert (file.content, file.headers["content-type"]) == (MASTER.data, "image/png")
    assert file.headers["cache-control"] == "public, max-age=2592000, immutable"


async def test_the_fields_are_a_request(keyless: GatewayBench) -> None:
    """In the operator's source, with guidance as it is; forms may send numbers as text, and null for nothing."""
    accepted = await generate(
        keyless, num_images="4", steps=8, cfg_scale=3, width=768, height=512, seed=None, style_preset="oil_painting"
    )
    image = image_of(keyless, accepted.json()["task_id"])
    assert image["source"] == "/cms/old"
    assert image["request"] == {
        "article": image["request"]["article"],
        "priority": "interactive",
        "brief": {"prompt": PROMPT["prompt"]},
        "output": {"variants": 4, "width": 768, "height": 512},
        "generation": {"steps": 8, "guidance_scale": 3.0},
        "style": {"preset": "oil_painting"},
    }


async def test_a_task_that_fails_says_why(keyless: GatewayBench) -> None:
    """`failed` with an `error`; another call with the same fields is a new task."""
    task = (await generate(keyless)).json()["task_id"]
    keyless.announce("failed", image_of(keyless, task), reason="engine_failed", message="Painting failed.")
    status = (await keyless.client.get(f"/api/v1/tasks/{task}/status")).json()

    assert (status["status"], status["error"], status["result"]) == ("failed", "engine_failed: Painting failed.", None)
    assert (await generate(keyless)).json()["task_id"] != task


async def test_a_held_task_is_pending(keyless: GatewayBench) -> None:
    """It may be approved, and completed then."""
    task = (await generate(keyless)).json()["task_id"]
    keyless.announce("held", image_of(keyless, task), rule="minors", message="Ask first.")
    assert (await keyless.client.get(f"/api/v1/tasks/{task}/status")).json()["status"] == "pending"


async def test_equal_fields_are_one_task(keyless: GatewayBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is under way its id comes again; completed, its pictures do, from the cache."""
    first = (await generate(keyless, style_preset=None)).json()
    again = (await generate(keyless)).json()
    keyless.announce("ready", image_of(keyless, first["task_id"]), **ready(ONE))
    monkeypatch.setattr("time.time", lambda: 60.0)
    cached = (await generate(keyless)).json()
    other = (await generate(keyless, seed=7)).json()

    assert first == again
    assert cached == {
        "cached": True,
        "task_id": first["task_id"],
        "image_urls": [f"/generated-images/1970-01-01/{first['task_id']}_0_{ONE}.png"],
        "message": cached["message"],
    }
    assert other["status"] == "accepted"
    assert len(keyless.published) == 2


async def test_the_cache_forgets_after_an_hour(keyless: GatewayBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then equal fields give other pictures, unless they have a seed."""
    for fields, reason in (({}, "regenerate"), ({"seed": 7}, None)):
        task = (await generate(keyless, **fields)).json()["task_id"]
        keyless.announce("ready", image_of(keyless, task), **ready(ONE))
        monkeypatch.setattr("time.time", lambda: 7200.0)
        later = (await generate(keyless, **fields)).json()["task_id"]
        assert later != task
        assert image_of(keyless, later)["request"].get("reason") == reason


async def test_a_withdrawn_picture_is_not_in_the_cache(keyless: GatewayBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for anew, and its file is gone."""
    monkeypatch.setattr("time.time", lambda: 60.0)
    task = (await generate(keyless)).json()["task_id"]
    keyless.announce("ready", image_of(keyless, task), **ready(ONE))
    urls = (await keyless.client.get(f"/api/v1/tasks/{task}/result")).json()["image_urls"]
    keyless.announce("withdrawn", {**image_of(keyless, task), "id": "w-1"})

    assert (await generate(keyless)).json()["status"] == "accepted"
    assert (await keyless.client.get(urls[0])).status_code == 410


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "..."}, "prompt"),
        ({"steps": 0}, "steps"),
        ({"num_images": "many"}, "num_images"),
        ({"style_preset": "cubist"}, "style_preset"),
        ({"width": 2048, "height": 2048}, "width"),
    ],
)
async def test_an_error_has_the_form_that_fastapi_gives_it(
    keyless: GatewayBench, fields: dict[str, Any], field: str
) -> None:
    """422 with `detail`, a list whose entries have `loc`, `msg` and `type`."""
    answer = await generate(keyless, **fields)
    (error, *_) = answer.json()["detail"]
    assert (answer.status_code, error["loc"][:2]) == (422, ["body", field])
    assert {"msg", "type"} <= error.keys()


async def test_an_unknown_task_is_not_found(keyless: GatewayBench) -> None:
    """404 with `detail`, for status and result, and for a task of somebody else."""
    (await keyless.call("POST", "/api/v1/generate", PROMPT)).raise_for_status()
    (others,) = [image for article in keyless.gateway.board.articles() for image in article.images]
    for path in ("tasks/x/status", "tasks/x/result", f"tasks/{others}/status"):
        answer = await keyless.client.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "There is no such task."})


async def test_without_the_operator_s_leave_a_key_is_needed(bench: GatewayBench) -> None:
    """401 in the task API's form; with a key the task is its source's, and another's key does not see it."""
    refused = await generate(bench)
    allowed = await bench.call("POST", "/api/v1/generate", PROMPT)
    path = allowed.json()["check_status_url"]

    assert (refused.status_code, refused.headers["www-authenticate"], list(refused.json())) == (
        401,
        "Bearer",
        ["detail"],
    )
    assert image_of(bench, allowed.json()["task_id"])["source"] == SOURCES[0]
    assert (await bench.call("GET", path)).status_code == 200
    assert (await bench.call("GET", path, source=SOURCES[1])).status_code == 404


async def test_a_page_that_may_not_call_it_cannot_make_a_browser_do_so(keyless: GatewayBench) -> None:
    """Without a JSON content type, which a browser asks leave for, nothing is published."""
    for headers in ({}, {"content-type": "text/plain"}):
        answer = await keyless.client.post("/api/v1/generate", content=b'{"prompt": "x"}', headers=headers)
        assert answer.status_code == 422
    assert keyless.published == []


async def test_its_health_is_that_of_before(keyless: GatewayBench) -> None:
    """`healthy` with the tasks under way; 503 while the bus is not followed."""
    await generate(keyless)
    answer = await keyless.client.get("/api/v1/health")
    health = answer.json()
    assert (answer.status_code, health["status"], health["active_tasks"]) == (200, "healthy", 1)
    assert health["gpu"].keys() == {"gpu_utilization", "memory_used", "memory_total", "temperature"}

    keyless.gateway.feed.link.lost(BusError("the test lost it"))
    assert (await keyless.client.get("/api/v1/health")).status_code == 503


async def test_kafka_s_absence_is_told_in_its_form(keyless: GatewayBench) -> None:
    """503 with `detail`, and when to try again."""
    keyless.publisher.down = True
    answer = await generate(keyless)
    assert (answer.status_code, list(answer.json())) == (503, ["detail"])
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    "body", [b'{"prompt": "\\ud83d"}', b'{"prompt": "x", "cfg_scale": NaN}', b'{"prompt": "x", "steps": 1e999}']
)
async def test_values_that_cannot_be_written_as_json_are_refused(bench: GatewayBench, body: bytes) -> None:
    """Half a character and numbers that are none get 422 like any other wrong value."""
    answer = await bench.call("POST", "/api/v1/generate", body)
    assert answer.status_code == 422
    assert [set(error) for error in answer.json()["detail"]] == [{"type", "loc", "msg"}]
