"""Whether controls are kept: nothing is begun while it is paused, and nothing called off gets a picture."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from consumer.delivery.controls import Controls, controls_key, read_controls
from consumer.delivery.offset_metadata import read_metadata
from consumer.delivery.ports import OutgoingRecord
from consumer.testing.broker import Fate, MemoryBroker
from tests.simulation.schedule import LANES, Schedule
from tests.simulation.worker import CALLED_OFF, CAUSE, DEAD, HEADS, OUT, traits_of


def controls_of(broker: MemoryBroker, shard: int) -> Controls:
    """Return the controls that lie in a shard's partition of the heads."""
    values = [one.value for one in broker.visible(HEADS, shard) if one.key == controls_key("group")]
    return read_controls(values[-1] if values else None)


class Audit:
    """Looks at each transaction: its owner began its epoch after the last command, so it has seen the controls.

    `began` has the time at which each record began to be painted last.
    """

    def __init__(self, schedule: Schedule, began: dict[bytes, float]) -> None:
        self._asks = schedule.numbered
        self._began = began
        self._epochs: defaultdict[int, float] = defaultdict(float)
        self._read: defaultdict[int, int] = defaultdict(int)
        self._inside: defaultdict[tuple[str, int], set[int]] = defaultdict(set)

    def epoch_begun(self, shard: int) -> None:
        """Note when the shard's newest owner began."""
        self._epochs[shard] = asyncio.get_running_loop().time()

    def check(self, broker: MemoryBroker, shard: int) -> None:
        """Check the transaction that has just ended."""
        controls = controls_of(broker, shard)
        for lane in LANES:
            exposures = read_metadata(broker.offsets[lane, shard]).exposures
            inside = {offset for offset, exposure in exposures.items() if exposure.in_engine}
            for offset in inside - self._inside[lane, shard]:
                self._check_begun(broker, controls, lane, shard, offset)
            self._inside[lane, shard] = inside
        self._check_outcomes(broker, controls, shard)

    def _check_begun(self, broker: MemoryBroker, controls: Controls, lane: str, shard: int, offset: int) -> None:
        record = broker.logs[lane, shard][offset].record
        assert record is not None
        number = record.value or b""
        traits = traits_of(lane, offset, record.headers, self._asks[number])
        assert controls.cancel_of(traits) is None, "what is called off enters the engine"
        before = self._began.get(number, self._epochs[shard]) < self._epochs[shard]
        assert before or controls.pause_of(traits) is None, "what is paused enters the engine"

    def _check_outcomes(self, broker: MemoryBroker, controls: Controls, shard: int) -> None:
        log = broker.logs[OUT, shard]
        new, self._read[shard] = log[self._read[shard] :], len(log)
        dead = {record.value for record in broker.visible(DEAD, shard)}
        for entry in new:
            if entry.fate is Fate.COMMITTED and entry.record is not None and entry.record.value not in dead:
                self._check_outcome(broker, controls, entry.record)

    def _check_outcome(self, broker: MemoryBroker, controls: Controls, outcome: OutgoingRecord) -> None:
        headers = dict(outcome.headers)
        lane, _, offset = (headers[CAUSE] or b"").decode().rpartition(":")
        record = broker.logs[lane, outcome.partition][int(offset)].record
        assert record is not None
        ask = self._asks[outcome.value or b""]
        called_off = controls.cancel_of(traits_of(lane, int(offset), record.headers, ask)) is not None
        called_off = called_off and ask.decision is None  # what editors decide is never called off
        assert called_off == (CALLED_OFF in headers), f"{headers} although called off is {called_off}"
