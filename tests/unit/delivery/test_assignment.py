"""Which shards an assignment holds, and what is said when partition counts differ."""

from __future__ import annotations

import pytest

from consumer.delivery.assignment import complete_shards, counts_differ
from consumer.delivery.ports import Partition

LANES = ("requested", "retry")


def test_a_shard_is_whole_with_all_its_lanes() -> None:
    """A shard of which one lane is elsewhere is not this worker's; no assignment is no shard."""
    given = {Partition("requested", 0), Partition("retry", 0), Partition("requested", 1), Partition("other", 0)}

    assert complete_shards(given, LANES) == {0}
    assert complete_shards((), LANES) == frozenset()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([Partition("requested", 0)], "retry: no such topic any more. Make it: leadart topics apply."),
        ([Partition("requested", 0), Partition("requested", 1), Partition("retry", 0)], "from 1 each.*--grow"),
    ],
)
def test_counts_that_differ_name_the_remedy(given: list[Partition], sentence: str) -> None:
    """A lane that is gone is made again, one that grew is grown with the others."""
    with pytest.raises(type(counts_differ(given, LANES, 1)), match=sentence):
        raise counts_differ(given, LANES, 1)
