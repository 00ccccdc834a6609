"""Which replay a record belongs to: the block of headers that `leadart replay` writes after the publisher's."""

from dataclasses import dataclass
from typing import Final

from consumer.delivery.retry import Headers

ID: Final = "leadart-replay-id"
TOPIC: Final = "leadart-replay-topic"
PARTITION: Final = "leadart-replay-partition"
OFFSET: Final = "leadart-replay-offset"
BLOCK: Final = (ID, TOPIC, PARTITION, OFFSET)


@dataclass(frozen=True, slots=True)
class ReplayOrigin:
    """The replay that a record belongs to, and the coordinates of its original."""

    replay: str
    topic: str
    partition: int
    offset: int


def parse_origin(headers: Headers) -> ReplayOrigin | None:
    """Return the origin in our last block of headers; None for a record that was not replayed."""
    starts = [index for index, (name, _) in enumerate(headers) if name == ID]
    block = headers[starts[-1] :][: len(BLOCK)] if starts else ()
    if tuple(name for name, _ in block) != BLOCK:
        return None
    replay, topic, partition, offset = ((value or b"").decode(errors="replace") for _, value in block)
    try:
        return ReplayOrigin(replay, topic, int(partition), int(offset))
    except ValueError:
        return None
