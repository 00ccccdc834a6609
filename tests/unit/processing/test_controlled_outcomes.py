"""What a called-off request's outcome says, and how a paused one goes round."""

from __future__ import annotations

import json
from dataclasses import replace

from consumer.delivery.ports import MAX_RECORD_BYTES
from consumer.delivery.retry import RetryState
from consumer.delivery.ruling import Ruling, Verdict
from consumer.jobs import Job, Lane, Record
from consumer.kafka.topics import retry_policy
from consumer.processing.controlled_outcomes import ControlledOutcomes
from consumer.processing.outcomes import OutcomeBuilder
from consumer.settings import Settings
from schemas import ImageRequested, names
from schemas.cloudevents import Event

SETTINGS = Settings()
RETRIES = retry_policy(SETTINGS)
BUILDER = ControlledOutcomes(OutcomeBuilder(SETTINGS), RETRIES)
RECORD = Record(names.BACKFILL, 2, 40, b"a-1", b"{}", (("ce_id", b"r-1"),), 5)
REQUEST = {"article": {"id": "a-1", "revision": 7, "headline": "Storm"}}
JOB = Job(
    Event(id="r-1", source="/cms", type=names.IMAGE_REQUESTED, data=REQUEST),
    ImageRequested.model_validate(REQUEST),
    RECORD,
    Lane.BACKFILL,
)
PAUSED = Ruling(Verdict.PAUSED, message="section sports", paused_since=1)


def test_a_called_off_request_says_what_was_called_off() -> None:
    """The outcome is the request's own event, with a sentence for people, and the same each time it is built."""
    result, again = (BUILDER.cancelled(JOB, Ruling(Verdict.CANCELLED, message="replay 01")) for _ in range(2))
    (outcome,) = result.records
    data, attributes = json.loads(outcome.value or b""), dict(outcome.headers)

    assert attributes["ce_type"] == names.IMAGE_CANCELLED.encode()
    assert (data["request_id"], data["article"], data["slot"]) == ("r-1", {"id": "a-1", "revision": 7}, "hero")
    assert data["message"] == "An operator called this off: replay 01."
    assert attributes["ce_id"] == dict(again.records[0].headers)["ce_id"]
    assert (result.facts["outcome"], outcome.partition) == ("cancelled", 2)


def test_a_paused_request_goes_round_as_it_was() -> None:
    """Read in the retry lane it is the publisher's record, with the attempts that it had, and none of them new."""
    state = RetryState(RECORD, attempts=2, first_seen_ms=1_000)
    (round_,) = BUILDER.paused(JOB, state, PAUSED).records
    read = Record(round_.topic, 2, 3, round_.key, round_.value, round_.headers, 10**13)
    unwrapped = RETRIES.unwrap(read)

    assert round_.topic == names.RETRY_10M
    assert (unwrapped.original, unwrapped.attempts) == (RECORD, 2)
    assert unwrapped.first_seen_ms > 1_000
    assert dict(round_.headers)["leadart-message"] == b"Paused by an operator: section sports."


def test_one_that_no_retry_lane_takes_fails() -> None:
    """A request too large for another block of headers gets its failed outcome and its dead letter."""
    large = replace(RECORD, value=b"x" * MAX_RECORD_BYTES)
    result = BUILDER.paused(JOB, RetryState(large), PAUSED)

    assert result.records[0].size > MAX_RECORD_BYTES
    assert names.DEAD_LETTER in {record.topic for record in result.fall_back().records}
