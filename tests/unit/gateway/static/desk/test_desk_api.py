"""api.js: what was asked and got no answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.desk_modules import ran

ASKING = """\
import { Api } from "./api.js";
const keys = [], reasons = [], answers = given.answers;
globalThis.fetch = async (address, { headers }) => {
  keys.push(headers["idempotency-key"] ?? null);
  const answer = answers.shift();
  if (answer === "silent") throw new TypeError("no answer");
  if (answer === "cut") return { ok: true, status: 202, text: async () => { throw new TypeError("cut") } };
  return new Response(JSON.stringify({ reason: "said" }), { status: answer });
};
const api = new Api();
for (const [method, ...args] of given.calls) {
  const call = Promise.resolve(api[method](...args));
  await call.catch((problem) => reasons.push(problem.reason));
}
export default { keys, reasons };
"""
CHOICE = ["decide", "a-1", "hero", "choose", {"picture": {"sha256": "1"}}]
OTHER = ["decide", "a-1", "hero", "choose", {"picture": {"sha256": "2"}}]
SEEN = ["settled", {"article": {"id": "a-1"}, "slot": "hero", "kind": "choice", "final": True}]
PAINTED = ["settled", {"article": {"id": "a-1"}, "slot": "hero", "kind": "request", "final": True}]


def asked(answers: list[Any], *calls: list[Any]) -> tuple[list[int], list[str]]:
    """Return which calls had the same idempotency key, by number, and the problems' reasons."""
    done = ran(ASKING, {"answers": answers, "calls": calls})
    return [done["keys"].index(key) for key in done["keys"]], done["reasons"]


@pytest.mark.parametrize("answer", ["silent", "cut", 503])
def test_a_retry_after_no_answer_is_the_same_request(answer: Any) -> None:
    """It may have been done, so it has the same idempotency key; the other outcomes of the slot do not matter."""
    assert asked([answer, 202], CHOICE, PAINTED, CHOICE)[0] == [0, 0]


@pytest.mark.parametrize("between", [[], [SEEN]])
def test_what_was_answered_is_asked_anew(between: list[Any]) -> None:
    """After an answer, or its outcome on the stream, the same request is another one."""
    answers = ["silent" if between else 202, 202]
    assert asked(answers, CHOICE, *between, CHOICE)[0] == [0, 1]


def test_another_request_is_another_one() -> None:
    """Nothing of it is taken for what got no answer; nor is what was meant before, once another was asked."""
    assert asked(["silent", 202, 202], CHOICE, OTHER, CHOICE)[0] == [0, 1, 2]


def test_a_change_without_an_answer_is_not_said_to_have_failed() -> None:
    """Only what was read says that the gateway does not answer; of a change it is not known."""
    assert asked(["silent", "silent", "cut"], CHOICE, ["styles"], CHOICE)[1] == [
        "unanswered",
        "unreachable",
        "unanswered",
    ]
