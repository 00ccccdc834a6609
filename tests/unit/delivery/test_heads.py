"""Heads: what the group knows of each slot, and what this epoch has not committed yet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.controls import NO_CONTROLS, Selector, controls_key
from consumer.delivery.heads import Claim, Head, Heads, Slot, head_key, read_head, slot_of
from consumer.delivery.ordinals import accept
from consumer.delivery.ports import BusError, OutgoingRecord
from consumer.testing.bus import MemoryBroker, MemoryBus

SLOT = Slot("a-1", "hero")
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


def claim(revision: int, slot: Slot = SLOT) -> Claim:
    return Claim(slot, revision, "/cms", f"r-{revision}")


def advance(known: Heads, claim: Claim) -> None:
    known.set(claim.slot, accept(known.get(claim.slot), claim)[0])


def heads() -> tuple[Heads, MemoryBroker, MemoryBus]:
    broker = MemoryBroker()
    return Heads("heads", "group", 0), broker, MemoryBus(broker, ("requested",))


def publish(broker: MemoryBroker, known: Heads) -> None:
    """Commit what is unwritten of the slot."""
    changed = known.unwritten([SLOT])
    for record in known.records(changed):
        broker.publish(record)
    known.committed(changed)


async def test_a_new_owner_knows_what_was_committed() -> None:
    """The heads that one owner wrote are those the next one decides by."""
    first, broker, bus = heads()
    advance(first, claim(7))
    first.announce(claim(7))
    publish(broker, first)
    second = Heads("heads", "group", 0)
    await second.restore(bus)

    assert second.get(SLOT) == Head(7, "/cms", "r-7", made=7, ordinal=1, first=1)


async def test_what_was_not_committed_is_forgotten() -> None:
    """A head that an epoch never committed is gone when the next one begins."""
    known, broker, bus = heads()
    advance(known, claim(7))
    publish(broker, known)
    advance(known, claim(8))
    await known.restore(bus)

    assert (known.get(SLOT) or claim(0)).revision == 7


async def test_a_head_that_was_reset_is_unknown() -> None:
    """A record without a value deletes the slot's head, also for an owner that had read it before."""
    known, broker, bus = heads()
    advance(known, claim(10**9))
    publish(broker, known)
    broker.publish(OutgoingRecord("heads", 0, head_key("group", SLOT), None, ()))
    await known.restore(bus)

    assert known.get(SLOT) is None


async def test_groups_have_their_own_heads() -> None:
    """A second fleet on the same topics decides by what it has announced itself."""
    known, broker, bus = heads()
    advance(known, claim(7))
    publish(broker, known)
    others = Heads("heads", "archive", 0)
    await others.restore(bus)

    assert others.get(SLOT) is None


async def test_an_owner_knows_what_is_paused() -> None:
    """Controls lie beside the heads; a worker that gives the shard up forgets them with everything else."""
    known, broker, bus = heads()
    paused = NO_CONTROLS.pause(Selector(section="sports"), 5)
    broker.publish(OutgoingRecord("heads", 0, controls_key("archive"), NO_CONTROLS.encode(), ()))
    broker.publish(OutgoingRecord("heads", 0, controls_key("group"), paused.encode(), ()))
    await known.restore(bus)
    restored = known.controls
    known.forget()

    assert (restored, known.controls) == (paused, NO_CONTROLS)


async def test_a_record_that_is_no_head_hides_none() -> None:
    """Garbage in the topic is skipped; garbage under a slot's own key means that nothing is known of it."""
    known, broker, bus = heads()
    broker.publish(OutgoingRecord("heads", 0, b"\xff", b"garbage", ()))
    broker.publish(OutgoingRecord("heads", 0, None, b"{}", ()))
    broker.publish(OutgoingRecord("heads", 0, b'["group", 1, 2]', b"{}", ()))
    broker.publish(OutgoingRecord("heads", 0, b'["group", ["a-1"], "hero"]', b"{}", ()))
    broker.publish(OutgoingRecord("heads", 0, b"[" * 100_000, b"{}", ()))
    broker.publish(OutgoingRecord("heads", 0, head_key("group", Slot("a-2", "hero")), b"{}", ()))
    advance(known, claim(7))
    publish(broker, known)
    await known.restore(bus)

    assert known.get(Slot("a-2", "hero")) is None
    assert known.get(SLOT) is not None


def test_nothing_is_written_twice() -> None:
    """A head that the group knows already makes no record: a replay of finished requests writes none."""
    known, broker, _ = heads()
    advance(known, claim(7))
    known.announce(claim(7))
    publish(broker, known)
    known.announce(claim(7))

    assert known.unwritten([SLOT]) == {}
    assert known._changed == {}, "a replay of a million would keep a million"


def test_a_head_remembers_the_newest_pictures() -> None:
    """An older revision announced late does not replace the newer one."""
    known, *_ = heads()
    advance(known, claim(7))
    known.announce(claim(7))
    known.announce(claim(5))

    assert (known.get(SLOT) or Head(0, "", "")).made == 7


@given(TEXT, TEXT, TEXT)
def test_a_key_leads_back_to_its_slot(group: str, article_id: str, name: str) -> None:
    """Whatever the names are, the key is read by its own group and no other."""
    slot = Slot(article_id, name)

    assert slot_of(head_key(group, slot), group) == slot
    assert slot_of(head_key(group, slot), group + "x") is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"7",
        b"{}",
        b"[" * 100_000,
        b'{"revision": "7", "source": "", "request_id": "", "made": null, "in_a_row": 0}',
        b'{"revision": 7, "source": "", "request_id": "", "made": "", "in_a_row": 0}',
        b'{"revision": 7, "source": "", "request_id": "", "made": [], "in_a_row": 0}',
        b'{"revision": 7e999, "source": "", "request_id": "", "made": null, "in_a_row": 0}',
        b'{"revision": 7, "source": "", "request_id": "\\ud800", "made": null, "in_a_row": 0}',
        b'{"revision": 9007199254740992, "source": "", "request_id": "", "made": null, "in_a_row": 0}',
    ],
)
def test_a_value_that_is_no_head_is_none(value: bytes) -> None:
    """What cannot be read is not guessed."""
    assert read_head(value) is None


async def test_an_owner_that_lost_the_shard_forgets_its_heads() -> None:
    """Another owner's deletion may be compacted away meanwhile: an owner that gets the shard back reads it all."""
    known, broker, bus = heads()
    advance(known, claim(10**9))
    publish(broker, known)
    known.forget()
    broker.logs["heads", 0].clear()
    await known.restore(bus)

    assert known.get(SLOT) is None


async def test_heads_behind_an_open_transaction_are_awaited() -> None:
    """What an open transaction hides may be ours: without it nothing is decided."""
    known, broker, bus = heads()
    broker.produce(1, broker.init(1), OutgoingRecord("heads", 0, b"another", b"{}", ()))
    with pytest.raises(BusError, match="open transaction"):
        await known.restore(bus)
