"""Why a request got no picture: the stable codes of failed outcomes, dead letters, metrics and logs."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A stable snake_case code, what it means and what to do about it.

    A code never changes its meaning and is never taken away; new ones may come, so a subscriber treats one it does not
    know like `internal`.
    """

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str = "", remedy: str = "") -> Self:
        """Make the member equal to its code and keep its two sentences."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member

    # The record is no event that this contract knows: the publisher corrects it and sends it again.
    NOT_JSON = (
        "not_json",
        "The value, or the data, is not JSON although the content type says so or the contract asks for it.",
        "Send one JSON document (RFC 8259: no NaN, no byte order mark) and `content-type: application/json`.",
    )
    NOT_UTF8 = (
        "not_utf8",
        "The value or a header is not UTF-8.",
        "Encode the value and every header as UTF-8, without a byte order mark.",
    )
    TOMBSTONE = (
        "tombstone",
        "The record has no value at all.",
        "Send the request as the value; the topic is not compacted, so there is nothing to delete.",
    )
    NOT_CLOUDEVENT = (
        "not_cloudevent",
        "An attribute is missing or broken, `specversion` is not 1.0, or the value is not the event it is said to be.",
        "Set `ce_specversion`, `ce_id`, `ce_source`, `ce_type`, or send `content-type: application/cloudevents+json`.",
    )
    WRONG_TYPE = (
        "wrong_type",
        "The event's type is not one that this topic carries.",
        "Publish `org.leadart.article.image-requested.v1` here and everything else elsewhere.",
    )
    UNKNOWN_VERSION = (
        "unknown_version",
        "The event's type has a newer major version than this worker knows; it is never guessed at.",
        "Upgrade the workers first, then redrive the dead letter.",
    )
    WRONG_KEY = (
        "wrong_key",
        "The record key is missing or is not the article id; order and latest-wins hang on it.",
        "Set the record key to `article.id`, as UTF-8.",
    )
    MISSING_FIELD = (
        "missing_field",
        "A required field is missing, null or blank.",
        "Fill in the field that `field` names.",
    )
    INVALID_FIELD = (
        "invalid_field",
        "A field has the wrong type, or is out of its bounds.",
        "Correct the field that `field` names as `message` says.",
    )
    TOO_LARGE = (
        "too_large",
        (
            "The request asks for too much: its value is over 64 KiB, an attribute over 2048 characters, or its "
            "picture does not fit into the memory of any of the worker's devices."
        ),
        (
            "Send only as much text as the picture needs: a headline and a summary do. Ask for a smaller picture, or "
            "give the worker a device with more memory."
        ),
    )
    DUPLICATE_HEADER = (
        "duplicate_header",
        "One CloudEvents attribute is told by two headers, so it has no one value.",
        "Send each `ce_` header and `content-type` once; a proxy or an interceptor may add its own.",
    )
    UNKNOWN_STYLE = (
        "unknown_style",
        "The style preset is not one of the house's.",
        "Use a preset that `leadart styles` lists.",
    )

    # The request is sound, but its picture could not be painted.
    ENGINE_FAILED = (
        "engine_failed",
        "Painting failed, and all attempts are used up.",
        "Look at the worker's log and its GPU, then redrive the dead letter.",
    )
    ENGINE_POISON = (
        "engine_poison",
        "The engine's process or the whole worker ended twice while painting this; it is kept away from the others.",
        "Report the dead letter to the developers; do not redrive it on the same version.",
    )
    NOT_PAINTED = (
        "not_painted",
        "The engine refuses this recipe: trying again gives the same answer.",
        "Change the size, the steps or the prompt as `message` says.",
    )
    NOT_FINITE = (
        "not_finite",
        "The picture's values stopped being numbers while it was painted: trying again gives the same answer.",
        "Ask for another seed or other steps; if many pictures end so, look at the checkpoint and its adapters.",
    )

    # Something around the worker is broken: the operator mends it, the publisher does nothing.
    STORE_UNAVAILABLE = (
        "store_unavailable",
        "The object store cannot be reached, refuses the worker, or does not take a picture of this size.",
        "Restore the store or the worker's access to it: work goes on by itself. Raise the limit that `message` names.",
    )
    BUS_UNAVAILABLE = (
        "bus_unavailable",
        "Kafka cannot be reached or refuses the worker.",
        "Restore the brokers or the worker's access to them; work goes on by itself.",
    )
    MODEL_UNAVAILABLE = (
        "model_unavailable",
        "The model cannot be loaded from its folder.",
        "Put the model's folder where `LEADART_ENGINE__MODEL` points, complete and readable.",
    )
    MISCONFIGURED = (
        "misconfigured",
        "The worker's settings, styles or environment are wrong.",
        "Correct the setting that `message` names and start the worker again.",
    )
    PROGRESS_UNREADABLE = (
        "progress_unreadable",
        "The committed offset's metadata, which says what is finished above it, cannot be read.",
        "Run the command that `message` names; the worker does not guess, because a guess doubles outcomes.",
    )
    NO_STARTING_OFFSET = (
        "no_starting_offset",
        "The group has no committed offset for a partition: it never started, or was away for over a week.",
        "Run `leadart topics apply --start earliest` (or `latest`).",
    )
    TOPICS_MISMATCH = (
        "topics_mismatch",
        "The topics are missing, or their partition counts differ.",
        "Run `leadart topics apply` with the right `LEADART_TOPICS__*` settings.",
    )
    ANNOUNCEMENT_REFUSED = (
        "announcement_refused",
        "The broker refuses a record of this outcome for good, for instance for its size.",
        "Compare the topic's limits with `schemas/topics/`, apply them, then redrive the dead letter.",
    )
    INTERNAL = (
        "internal",
        "A defect in the worker.",
        "Report the dead letter and the log line with its event id to the developers.",
    )


class ContractError(ValueError):
    """A record does not keep the contract.

    `reason` is the stable code, `message` a sentence that names the field and says what to do, `field` the place as a
    dotted path such as `output.width` (an attribute's or header's own name outside the data), or None for the whole.
    Neither ever repeats text of the article: stories may be unpublished.
    """

    def __init__(self, reason: Reason, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
