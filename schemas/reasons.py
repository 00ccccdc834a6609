"""Why a request got no picture: stable codes for failed outcomes, dead letters, metrics and logs."""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A stable snake_case code, what it means and what to do about it.

    A code never changes its meaning and is never removed. New ones may be added: a subscriber treats an unknown code
    like `internal`.
    """

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str = "", remedy: str = "") -> Self:
        """Create a member that equals its code and has its two texts."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member

    # The record breaks the contract: the publisher corrects it and sends it again.
    NOT_JSON = (
        "not_json",
        "The value or the data is not JSON, although the content type or the contract requires it.",
        "Send one JSON document (RFC 8259: no NaN, no byte order mark) and `content-type: application/json`.",
    )
    NOT_UTF8 = (
        "not_utf8",
        "The value or a header is not UTF-8.",
        "Encode the value and every header as UTF-8, without a byte order mark.",
    )
    TOMBSTONE = (
        "tombstone",
        "The record has no value.",
        "Send the request as the value; the topic is not compacted, so there is nothing to delete.",
    )
    NOT_CLOUDEVENT = (
        "not_cloudevent",
        "An attribute is missing or invalid, `specversion` is not 1.0, or the value is not the declared event.",
        "Set `ce_specversion`, `ce_id`, `ce_source`, `ce_type`, or send `content-type: application/cloudevents+json`.",
    )
    WRONG_TYPE = (
        "wrong_type",
        "This topic does not carry events of this type.",
        "Publish the contract's requests and editorial decisions here, all else elsewhere.",
    )
    UNKNOWN_VERSION = (
        "unknown_version",
        "The event's type has a newer major version than this worker knows; the worker does not guess.",
        "Upgrade the workers first, then redrive the dead letter.",
    )
    WRONG_KEY = (
        "wrong_key",
        "The record key is missing or is not the article id; order and latest-wins depend on it.",
        "Set the record key to `article.id`, as UTF-8.",
    )
    MISSING_FIELD = (
        "missing_field",
        "A required field is missing, null or blank.",
        "Fill in the field that `field` names.",
    )
    INVALID_FIELD = (
        "invalid_field",
        "A field has the wrong type or is out of bounds.",
        "Correct the field that `field` names as `message` says.",
    )
    TOO_LARGE = (
        "too_large",
        (
            "The request asks for too much: its value is over 64 KiB, an attribute over 2048 characters, its batch "
            "unpacks to more than the worker reads, or its picture does not fit into the memory of any of the worker's "
            "devices."
        ),
        (
            "Send only the text that the picture needs: a headline and a summary suffice. Request a smaller picture, "
            "or give the worker a device with more memory."
        ),
    )
    DUPLICATE_HEADER = (
        "duplicate_header",
        "Two headers give the same CloudEvents attribute, so its value is ambiguous.",
        "Send each `ce_` header and `content-type` once; check for a proxy or an interceptor that adds its own.",
    )
    UNKNOWN_STYLE = (
        "unknown_style",
        "The site has no style preset of this name.",
        "Use a preset that `leadart styles` lists.",
    )
    UNKNOWN_PICTURE = (
        "unknown_picture",
        "The store has no picture of this digest, or only its recipe, which this worker cannot paint.",
        "Name a picture that a ready outcome announced; for those of earlier versions run `leadart store index` once.",
    )

    NOTHING_HELD = (
        "nothing_held",
        "The slot has no held request of the revision that is approved.",
        "Approve the revision that the last `image-held` of the slot has; it may have expired or been superseded.",
    )
    NOTHING_CHOSEN = (
        "nothing_chosen",
        "There is no choice to let go of in this slot.",
        "Nothing: the slot is already open to new pictures.",
    )
    WITHDRAWN = (
        "withdrawn",
        "The article, or this slot of it, is withdrawn, so that no picture can be chosen or approved for it.",
        "Restore it first with `org.leadart.article.restored.v1`.",
    )

    # The request is valid, but its picture could not be painted.
    ENGINE_FAILED = (
        "engine_failed",
        "Painting failed, and all attempts are used up.",
        "Check the worker's log and its GPU, then redrive the dead letter.",
    )
    ENGINE_POISON = (
        "engine_poison",
        "The engine process died more than once while painting this, and painted other pictures in between.",
        "Report the dead letter to the developers; do not redrive it on the same version.",
    )
    NOT_PAINTED = (
        "not_painted",
        "The engine rejects this recipe; another attempt would give the same result.",
        "Change the size, the steps or the prompt as `message` says.",
    )
    NOT_FINITE = (
        "not_finite",
        "The picture's values became NaN or infinite during painting; another attempt would give the same result.",
        "Request another seed or number of steps; if many pictures fail so, check the checkpoint and its adapters.",
    )

    # Something around the worker is broken: the operator fixes it, the publisher does nothing.
    STORE_UNAVAILABLE = (
        "store_unavailable",
        "The object store cannot be reached, denies the worker access, or rejects a picture of this size.",
        "Restore the store or the worker's access to it; work resumes by itself. Raise a limit that `message` names.",
    )
    BUS_UNAVAILABLE = (
        "bus_unavailable",
        "Kafka cannot be reached or denies the worker access.",
        "Restore the brokers or the worker's access to them; work resumes by itself.",
    )
    MODEL_UNAVAILABLE = (
        "model_unavailable",
        "The model cannot be loaded from its folder.",
        "Put the model's folder where `LEADART_ENGINE__MODEL` points, complete and readable.",
    )
    MISCONFIGURED = (
        "misconfigured",
        "The worker's settings, styles or environment are wrong.",
        "Correct the setting that `message` names and restart the worker.",
    )
    PROGRESS_UNREADABLE = (
        "progress_unreadable",
        "The committed offset's metadata, which records what is finished above it, cannot be read.",
        "Run the command that `message` names; the worker does not guess, because that could duplicate outcomes.",
    )
    NO_STARTING_OFFSET = (
        "no_starting_offset",
        (
            "The group has no committed offset for a partition (it is new, or was down for over a week), or one beyond "
            "the end of the log."
        ),
        "Run `leadart topics apply --start earliest` (or `latest`), with `--only` and `--force` as `message` says.",
    )
    TOPICS_MISMATCH = (
        "topics_mismatch",
        "Topics are missing, or their partition counts differ.",
        "Run `leadart topics apply` with the right `LEADART_TOPICS__*` settings.",
    )
    ANNOUNCEMENT_REFUSED = (
        "announcement_refused",
        "The broker permanently rejects a record of this outcome, for example because of its size.",
        "Compare the topic's limits with `schemas/topics/`, apply them, then redrive the dead letter.",
    )
    INTERNAL = (
        "internal",
        "A bug in the worker.",
        "Report the dead letter and the log line with its event id to the developers.",
    )


class ContractError(ValueError):
    """A record breaks the contract.

    `reason` is the stable code; `message` names the field and says what to do; `field` is a dotted path such as
    `output.width`, the name of an attribute or header outside the data, or None for the whole record. Neither contains
    text of the article: stories may be unpublished. Keys, ids and attributes, which any broker shows, are repeated,
    shortened and escaped.
    """

    def __init__(self, reason: Reason, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
