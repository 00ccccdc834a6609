"""stream.js: server-sent events that go on where they were cut off."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.desk_modules import ran

PARSE = """\
import { SseParser } from "./stream.js";
const parser = new SseParser();
export default given.flatMap((text) => parser.push(text));
"""

FOLLOW = """\
import { EventStream } from "./stream.js";
const opened = [];
const seen = [];
const answers = given.answers.map((answer) => async (signal) => {
  if (answer === "refused") throw Object.assign(new Error("refused"), { status: 503 });
  if (answer === "gone") throw Object.assign(new Error("gone"), { status: 422 });
  if (answer === "silent") return new Promise((_, cut) => signal.addEventListener("abort", () => cut(new Error())));
  return new Response(answer);
});
const open = (id, signal) => (opened.push(id), (answers.shift() ?? answers_end)(signal));
const stream = new EventStream(open, { silence: 50, waits: [1] });
const finished = new Promise((done) => {
  globalThis.answers_end = () => (stream.stop(), done(), Promise.reject(new Error("end")));
  stream.addEventListener("gap", () => (seen.push("gap"), stream.stop(), done()));
});
stream.addEventListener("message", ({ detail }) => seen.push(detail.data));
stream.addEventListener("state", ({ detail }) => seen.push(detail));
stream.start("from");
await finished;
export default { opened, seen };
"""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_events_are_read_however_the_bytes_come(size: int, end: str) -> None:
    """Cut anywhere, with comments between: the same events, with their ids where they have one."""
    lines = [
        "event: image",
        'data: {"id": "r-1"}',
        "id: o0-1",
        "retry: 1000",
        "",
        ":",
        "",
        "event: progress",
        "data: 风暴",
        "data",
        "",
        "",
    ]
    text = end.join(lines)
    events = ran(PARSE, [text[at : at + size] for at in range(0, len(text), size)])
    assert [(each["event"], each["data"], each.get("id")) for each in events] == [
        ("image", '{"id": "r-1"}', "o0-1"),
        ("comment", "", None),
        ("progress", "风暴\n", None),
    ]


def follow(*answers: str) -> dict[str, Any]:
    followed: dict[str, Any] = ran(FOLLOW, {"answers": answers})
    return followed


def event(number: int, event_id: str | None = None) -> str:
    return f"event: image\ndata: {json.dumps(number)}\n" + (f"id: {event_id}\n" if event_id else "") + "\n"


def test_a_stream_goes_on_after_the_last_id() -> None:
    """An event without an id, such as progress, does not move it; half an event at the end is asked for again."""
    followed = follow(event(1, "one") + event(2) + 'event: image\ndata: {"half', event(3, "three"))
    assert followed["opened"] == ["from", "one", "three"]
    assert [each for each in followed["seen"] if isinstance(each, int)] == [1, 2, 3]
    assert followed["seen"][:1] == ["live"]


def test_what_refuses_or_falls_silent_is_tried_again() -> None:
    """Lost is said once, and live once it is there again."""
    followed = follow(event(1, "one"), "refused", "refused", "silent", event(2, "two"))
    assert followed["seen"] == ["live", 1, "lost", "live", 2, "lost"]
    assert followed["opened"] == ["from", "one", "one", "one", "one", "two"]


def test_a_position_that_is_no_longer_there_is_a_gap() -> None:
    """Then everything has to be read anew."""
    assert follow("gone")["seen"] == ["gap"]
    assert follow("event: reset\ndata: {}\n\n")["seen"] == ["live", "gap"]
