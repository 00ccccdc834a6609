"""Records in hand: what the owner of a shard asks of its crew, and what the crew is handed for each record."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import structlog

from consumer.delivery.ports import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractContextManager

    from consumer.delivery.heads import Claim
    from consumer.delivery.ports import BusError, RecordResult
    from consumer.jobs import Record

TELL_SECONDS = 5.0
"""Longest wait for the commit that tells of a record entering the engine; it takes some hundredths of a second."""

log = structlog.get_logger(__name__)


class InHand(Protocol):
    """A record in the crew's hands."""

    @property
    def record(self) -> Record:
        """What is to be worked on."""

    @property
    def deaths(self) -> int:
        """How many processes died with this record in their engine."""

    def claims(self, claim: Claim, superseded: Callable[[int], RecordResult]) -> bool:
        """Say what a valid request lays claim to; False if a newer revision is known, and all is done.

        `superseded` makes the settlement for a newer revision; the work is withdrawn when one comes later.
        """

    def settle(self, settlement: RecordResult) -> None:
        """Hand over what the record causes; called once, when the work is done."""

    def in_engine(self) -> AbstractContextManager[Callable[[], Awaitable[None]]]:
        """Hold this while the record is in the engine; what it yields waits until the group knows: a death counts."""


class RecordHandler(Protocol):
    """Who works on records and hears what became of them."""

    @property
    def trouble(self) -> str:
        """The reason code of what keeps the crew from working; empty when nothing does."""

    def admits(self) -> bool:
        """True if the crew takes more records."""

    def wait(self, record: Record) -> float:
        """Seconds until the record may be worked on; a lane stands still until its first record is due."""

    def begin(self, hand: InHand) -> Callable[[bool], None]:
        """Start work. Returns what withdraws it (True: even when running)."""

    def announced(self, record: Record, settlement: RecordResult, seconds: float) -> None:
        """The settlement was committed, `seconds` after it was handed over."""

    def epoch_ended(self, shard: int, error: BusError) -> None:
        """An epoch broke; the next begins after a pause."""

    def committed(self, shard: int, seconds: float, records: int) -> None:
        """A transaction went through."""


class InFlightRecord:
    """A record in hand, across epochs: what its owner keeps of it."""

    def __init__(
        self,
        record: Record,
        deaths: int,
        wake: Callable[[], None],
        judge: Callable[[InFlightRecord], bool] = lambda _work: True,
    ) -> None:
        self.record = record
        self.deaths = deaths
        self.begun = asyncio.get_running_loop().time()
        self.claim: Claim | None = None
        self.spared = self.superseded = False
        self.withdraw: Callable[[bool], None] = lambda _running: None
        self.settlement: RecordResult | None = None
        self.settled_at = 0.0
        self.exposure: asyncio.Future[None] | None = None
        self._wake = wake
        self._judge = judge
        self._superseded_by: Callable[[int], RecordResult] | None = None
        self._inside = 0
        self._dropped = False

    @property
    def awaits_exposure(self) -> bool:
        """True while it stands before the engine and the group does not know."""
        return self.exposure is not None and not self.exposure.done()

    @property
    def is_in_engine(self) -> bool:
        """True while it is being painted, or about to be."""
        return self._inside > 0

    def claims(self, claim: Claim, superseded: Callable[[int], RecordResult]) -> bool:
        """Take the claim, and let it be judged."""
        self.claim, self._superseded_by = claim, superseded
        return self._dropped or self._judge(self)

    def supersede(self, revision: int) -> None:
        """Settle it as superseded by that revision, whatever else it would have been."""
        if self._superseded_by is None:
            return
        self.superseded = False
        self.settle(self._superseded_by(revision))
        self.superseded = True
        self._let_in()

    def settle(self, settlement: RecordResult) -> None:
        """Take the result; that of a record that is no longer in hand, or superseded, is dropped."""
        if self._dropped or self.superseded:
            return
        if settlement.fallback and any(letter.size > MAX_RECORD_BYTES for letter in settlement.records):
            log.error(
                "announcement_too_large",
                topic=self.record.topic,
                shard=self.record.partition,
                offset=self.record.offset,
            )
            settlement = settlement.fall_back()
        self.settlement, self.settled_at = settlement, time.monotonic()
        self._wake()

    @contextmanager
    def in_engine(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """Have a commit tell of it; the first to leave takes nothing back while others are inside.

        A bus that is away must not keep the engine idle: after `TELL_SECONDS` the record enters untold, and a death is
        then not counted.
        """
        self._inside += 1
        try:
            # Once it is settled its painting goes on for others only, and no commit will ever tell of it.
            if self.exposure is None and not self._dropped and self.settlement is None:
                self.exposure = asyncio.get_running_loop().create_future()
                self._wake()
            yield self._told
        finally:
            self._inside -= 1
            if not self._inside:
                self.exposure = None

    async def _told(self) -> None:
        if self.exposure is not None and not self.exposure.done():
            await asyncio.wait((self.exposure,), timeout=TELL_SECONDS)

    def drop(self, *, running: bool) -> None:
        """Let go of it: another owner's, or done already. Running work goes on unless `running`."""
        self._dropped = True
        self._let_in()
        self.withdraw(running)

    def _let_in(self) -> None:
        """Let what stands before the engine enter untold."""
        if self.exposure is not None and not self.exposure.done():
            self.exposure.set_result(None)
