"""Engine exposure: which records are in the engine, and which of them to blame when a process dies.

Before a record enters the engine, a commit's offset metadata announces it; once it has left, a commit takes that back.
A process that dies takes nothing back, so the next owner counts a death against each record still announced.
`EnginePresence` is one in-flight record's side of this, `EngineExposure` one partition's, as its metadata holds it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from consumer.delivery.offset_metadata import MAX_SPAN, Exposure

ANNOUNCE_SECONDS = 5.0
"""Longest wait for the commit that announces a record; it usually takes some hundredths of a second."""

MAX_EXPOSURES = 64
"""Records of one partition that its metadata may name: in the engine now, or in it when a process died."""


class EnginePresence:
    """One record's presence in the engine. `deaths` processes died with it in theirs; `wake` asks for a commit."""

    def __init__(self, deaths: int, wake: Callable[[], None]) -> None:
        self.deaths = deaths
        self._wake = wake
        self._entered = 0
        self._released = False
        self._announcement: asyncio.Future[None] | None = None

    @property
    def inside(self) -> bool:
        """True while the record is being painted, or waits to enter."""
        return self._entered > 0

    @property
    def exposed(self) -> bool:
        """True while a death is to be blamed on the record: announced, or waiting to be."""
        return self._announcement is not None

    @property
    def unannounced(self) -> bool:
        """True while the record waits at the engine for a commit to announce it."""
        return self._announcement is not None and not self._announcement.done()

    @contextmanager
    def entering(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """Ask for an announcement, and hold it while the record is in the engine. Yields what waits for the commit.

        Uses may overlap; the last to leave ends the exposure. A bus that is down must not idle the engine: after
        `ANNOUNCE_SECONDS` the record enters unannounced, and a death is not counted against it.
        """
        self._entered += 1
        try:
            if self._announcement is None and not self._released:
                self._announcement = asyncio.get_running_loop().create_future()
                self._wake()
            yield self._announced
        finally:
            self._entered -= 1
            if not self._entered:
                self._announcement = None

    async def _announced(self) -> None:
        if self._announcement is not None and not self._announcement.done():
            await asyncio.wait((self._announcement,), timeout=ANNOUNCE_SECONDS)

    def announced(self) -> None:
        """Let the record in: the commit that announces it went through."""
        if self._announcement is not None and not self._announcement.done():
            self._announcement.set_result(None)

    def release(self) -> None:
        """Let the record in unannounced, now and later: it has its result, or is another owner's.

        What goes on in the engine is for other requests then, and no commit would ever announce this one.
        """
        self._released = True
        self.announced()


class EngineExposure:
    """The records of one partition that its metadata names, by offset, within one epoch of its owner."""

    def __init__(self, records: Mapping[int, Exposure] | None = None) -> None:
        self.records = dict(records or {})

    def deaths(self, offset: int) -> int:
        """Return how many processes died with this record in their engine."""
        return self.records[offset].deaths if offset in self.records else 0

    def enter(self, offset: int, lowest: int) -> bool:
        """Name a record that enters the engine; False when the metadata of a commit at `lowest` has no room for it."""
        if offset not in self.records and (len(self.records) >= MAX_EXPOSURES or offset - lowest >= MAX_SPAN):
            return False
        self.records[offset] = Exposure(self.deaths(offset), in_engine=True)
        return True

    def leave(self, offset: int) -> bool:
        """Take back that a record is in the engine; True if it was named as such. Its deaths are kept."""
        exposure = self.records.get(offset)
        if exposure is None or not exposure.in_engine:
            return False
        if exposure.deaths:
            self.records[offset] = Exposure(exposure.deaths, in_engine=False)
        else:
            del self.records[offset]
        return True

    def leave_all(self) -> None:
        """Take everything back: an owner that leaves in order has no record to blame."""
        for offset in list(self.records):
            self.leave(offset)

    def forget(self, offset: int) -> None:
        """Drop a record that is finished, with its deaths."""
        self.records.pop(offset, None)

    def forget_below(self, lowest: int) -> None:
        """Drop records below the commit: the group has passed them."""
        self.records = {offset: exposure for offset, exposure in self.records.items() if offset >= lowest}

    def blame(self, ours: Mapping[int, EnginePresence]) -> list[int]:
        """Count a death against every record left in an engine; return their offsets.

        `ours` are the records this process still works on: it lives, so they are named for what they are now.
        """
        blamed = []
        for offset, exposure in list(self.records.items()):
            if (presence := ours.get(offset)) is not None:
                self.records[offset] = Exposure(presence.deaths, in_engine=presence.exposed)
            elif exposure.in_engine:
                self.records[offset] = Exposure(exposure.deaths + 1, in_engine=False)
                blamed.append(offset)
        return blamed
