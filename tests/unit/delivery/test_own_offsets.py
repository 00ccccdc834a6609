"""This fleet's own offsets, and how commits by somebody else are told from them."""

from __future__ import annotations

import pytest

from consumer.delivery.controls import NO_CONTROLS, controls_key
from consumer.delivery.heads import Slot, head_key
from consumer.delivery.own_offsets import ForeignCommit, OwnOffsets, offsets_key, replay_command
from consumer.delivery.ports import CommittedOffset, OutgoingRecord

OURS = CommittedOffset(40, "v1:40:Ag==")


def kept(**offsets: CommittedOffset) -> OutgoingRecord:
    return OwnOffsets("heads", "group", 3).record(offsets)


def restored(*records: OutgoingRecord) -> OwnOffsets:
    own = OwnOffsets("heads", "group", 3)
    for record in records:
        own.take(record.key or b"", record.value)
    return own


def test_the_last_record_of_the_group_counts() -> None:
    """Other groups keep theirs under other keys."""
    own = restored(kept(lane=CommittedOffset(7, "v1:7:")), kept(lane=OURS))
    own.take(offsets_key("others", 3), kept(lane=CommittedOffset(9, "")).value)
    assert own.known == {"lane": OURS}


def test_controls_leave_them_known() -> None:
    """An operator's pause is written behind the owner's last transaction, and is no owner's record."""
    own = restored(kept(lane=OURS))
    own.take(controls_key("group"), NO_CONTROLS.encode())

    assert own.known == {"lane": OURS}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        b"\xff",
        b'{"lane": 4}',
        b'{"lane": [-5, ""]}',
        b'{"lane": ["5", ""]}',
        b'{"lane": [1e999, ""]}',
        b'{"lane": [9223372036854775808, ""]}',
        b"[" * 100_000,
    ],
)
def test_an_unreadable_record_holds_nothing(value: bytes | None) -> None:
    """Whatever stands under the shard's own key: no owner ends of it, and no offset is guessed."""
    own = restored(kept(lane=OURS))
    own.take(offsets_key("group", 3), value)

    assert own.known == {}


@pytest.mark.parametrize(
    ("committed", "foreign"),
    [
        (OURS, False),
        (CommittedOffset(60, "v1:60:"), False),  # a later commit of ours that wrote no records
        (CommittedOffset(60, ""), True),  # Java, librdkafka, sarama
        (CommittedOffset(60, "kgo-0a1b"), True),  # franz-go: its member id
        (CommittedOffset(40, ""), True),  # what is finished above the offset is lost
        (CommittedOffset(39, ""), False),  # set back, to be processed again
    ],
)
def test_a_commit_without_our_mark_is_somebody_elses(committed: CommittedOffset, *, foreign: bool) -> None:
    """At or ahead of our own offset it would skip requests, or repeat finished ones; further back it is obeyed."""
    found = [ForeignCommit("lane", 3, OURS, committed.offset)] if foreign else []

    assert restored(kept(lane=OURS)).foreign({"lane": committed, "new": CommittedOffset(5, "")}) == found


def test_a_commit_of_an_older_leadart_is_not_somebody_elses() -> None:
    """Its offset without a mark is known as such, and heads that it wrote since show that it was at work."""
    old = CommittedOffset(60, "")
    assert restored(kept(lane=old)).foreign({"lane": old}) == []

    head = OutgoingRecord("heads", 3, head_key("group", Slot("a-1", "hero")), b"{}", ())
    deleted = OutgoingRecord("heads", 3, head.key, None, ())
    others = OutgoingRecord("heads", 3, head_key("group-2", Slot("a-1", "hero")), b"{}", ())
    assert restored(kept(lane=OURS), head).foreign({"lane": old}) == []
    assert restored(kept(lane=OURS), deleted, others).foreign({"lane": old}) != []


def test_the_command_names_each_partition_once() -> None:
    """As `leadart replay` takes it: a lane, and a range for each partition."""
    assert replay_command("lane", {2: range(7, 9), 0: range(40, 60)}) == (
        "leadart replay --lane lane --from 0:40,2:7 --to 0:60,2:9"
    )
