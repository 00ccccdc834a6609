"""The offsets that this fleet committed itself, kept beside the heads: somebody else may commit for its group.

Any consumer that joins the group, or a tool, can commit offsets for requests that nobody painted. Such a commit lacks
our mark (`offset_metadata`). So an owner's first transaction, and each one that writes records, also writes, last, one
with the shard's offsets into its partition of the heads; what the next owner finds there is where it goes on.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from consumer.delivery.controls import controls_key
from consumer.delivery.offset_metadata import has_mark
from consumer.delivery.ports import CommittedOffset, OutgoingRecord

_Offset = Annotated[int, Field(ge=0, lt=2**63)]
_OFFSETS = TypeAdapter(dict[str, tuple[_Offset, str]])


@dataclass(frozen=True, slots=True)
class ForeignCommit:
    """A commit by somebody else at `offset`, not below `own`, where this fleet stood in that partition."""

    topic: str
    partition: int
    own: CommittedOffset
    offset: int

    @property
    def skipped(self) -> range:
        """The offsets that the commit would skip."""
        return range(self.own.offset, self.offset)


class OwnOffsets:
    """One shard's own offsets, as far as its table was read: `known` by topic."""

    def __init__(self, topic: str, group_id: str, shard: int) -> None:
        self._topic = topic
        self._key = offsets_key(group_id, shard)
        self._own_group = self._key.rpartition(b" ")[0]
        self._controls_key = controls_key(group_id)
        self.shard = shard
        self.known: Mapping[str, CommittedOffset] = {}

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take a record of the table, whatever it holds.

        Our offsets are the last of their transaction: heads behind them are those of an owner of an older version,
        which keeps no offsets and leaves no mark, so its commits are to be trusted. Controls are operators' and say
        nothing of offsets.
        """
        if key == self._key:
            self.known = read_offsets(value)
        elif value is not None and key.startswith(self._own_group) and key != self._controls_key:
            self.forget()

    def forget(self) -> None:
        """Forget what was read."""
        self.known = {}

    def record(self, offsets: Mapping[str, CommittedOffset]) -> OutgoingRecord:
        """Return the record that keeps a shard's offsets, by topic."""
        value = json.dumps({topic: [at.offset, at.metadata] for topic, at in offsets.items()})
        return OutgoingRecord(self._topic, self.shard, self._key, value.encode(), ())

    def foreign(self, committed: Mapping[str, CommittedOffset]) -> list[ForeignCommit]:
        """Return which of the group's committed offsets, by topic, somebody else has set at or ahead of our own.

        One set back is not among them: that is how operators have a lane processed again.
        """
        return [
            ForeignCommit(topic, self.shard, self.known[topic], at.offset)
            for topic, at in committed.items()
            if topic in self.known and is_foreign(at, self.known[topic])
        ]


def is_foreign(committed: CommittedOffset, own: CommittedOffset) -> bool:
    """Return whether somebody else committed this, at or ahead of our own."""
    return committed != own and not has_mark(committed) and committed.offset >= own.offset


def offsets_key(group_id: str, shard: int) -> bytes:
    """Return the key of a shard's own offsets, which no head can have."""
    return json.dumps([group_id, shard], ensure_ascii=False).encode()


def read_offsets(value: bytes | None) -> dict[str, CommittedOffset]:
    """Decode a record of own offsets, by topic; an unreadable one holds none."""
    try:
        found = _OFFSETS.validate_json(value or b"{}", strict=True)
    except ValidationError:
        return {}
    return {topic: CommittedOffset(at, metadata) for topic, (at, metadata) in found.items()}


def replay_command(topic: str, skipped: Mapping[int, range]) -> str:
    """Return the command that shows what lies in these offsets, by partition; with --execute, it republishes them."""
    starts = ",".join(f"{partition}:{span.start}" for partition, span in sorted(skipped.items()))
    stops = ",".join(f"{partition}:{span.stop}" for partition, span in sorted(skipped.items()))
    return f"leadart replay --lane {topic} --from {starts} --to {stops}"
