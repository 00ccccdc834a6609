"""The in-memory group coordinator: the classic protocol, in which every rebalance stops the world.

A member joins, waits until all others have joined, syncs, and sends heartbeats. One that does not is evicted after its
session, and learns of it from its next request.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from consumer.delivery.ports import BusError, Partition


class Evicted(BusError):
    """The group does not know this member in this generation: it must join as a new one."""


class Rebalancing(BusError):
    """The member must join again."""


class Phase(Enum):
    """The phase of a group's rebalance."""

    STABLE = "stable"
    JOINING = "joining"
    SYNCING = "syncing"


class Joined(NamedTuple):
    """The answer to a join."""

    generation: int
    leader: bool


@dataclass(slots=True)
class Member:
    """What the coordinator knows of a member."""

    deadline: float
    join: asyncio.Future[Joined] | None = None
    sync: asyncio.Future[frozenset[Partition]] | None = None

    @property
    def waits(self) -> bool:
        """True while it waits for the coordinator: no heartbeat is expected then."""
        return any(answer is not None and not answer.done() for answer in (self.join, self.sync))


class MemoryGroup:
    """One group: evict after `session_seconds` without a heartbeat, wait `rebalance_seconds` for all to join."""

    def __init__(self, session_seconds: float = 6.0, rebalance_seconds: float = 30.0) -> None:
        self.generation = 0
        self.members: dict[str, Member] = {}
        self._session = session_seconds
        self._rebalance_seconds = rebalance_seconds
        self._phase = Phase.STABLE
        self._barrier: asyncio.TimerHandle | None = None

    def join(self, name: str) -> asyncio.Future[Joined]:
        """Wait for all members; those that do not join in time are out."""
        loop = asyncio.get_running_loop()
        member = self.members.get(name)
        if member is None:
            member = self.members[name] = Member(loop.time() + self._session)
            loop.call_at(member.deadline, self._check_session, name, member, context=Context())
        member.join, member.sync = loop.create_future(), None
        joined = member.join
        self.rebalance()
        self._close_once_complete()
        return joined

    def sync(
        self, name: str, generation: int, topics: Sequence[str], partitions: int
    ) -> asyncio.Future[frozenset[Partition]]:
        """Wait for the assignment, made when the leader asks for it."""
        member = self._member(name, generation)
        if self._phase is Phase.JOINING:
            raise Rebalancing("others join")
        member.sync = asyncio.get_running_loop().create_future()
        answer = member.sync
        if self._phase is Phase.STABLE or name == self._leader:
            self._phase = Phase.STABLE
            self._assign(topics, partitions)
        return answer

    def heartbeat(self, name: str, generation: int) -> None:
        """Extend the member's session."""
        self._member(name, generation)
        if self._phase is not Phase.STABLE:
            raise Rebalancing("others join")

    def leave(self, name: str) -> None:
        """Leave without waiting for the end of the session."""
        if self.members.pop(name, None) is not None:
            self.rebalance()
            self._close_once_complete()

    def rebalance(self) -> None:
        """Have all members join again."""
        if self._phase is Phase.JOINING:
            return
        self._phase = Phase.JOINING
        for member in self.members.values():
            if member.sync is not None and not member.sync.done():
                member.sync.set_exception(Rebalancing("others join"))
        self._barrier = asyncio.get_running_loop().call_later(self._rebalance_seconds, self._close, context=Context())

    @property
    def _leader(self) -> str:
        return min(self.members)

    def _member(self, name: str, generation: int) -> Member:
        member = self.members.get(name)
        if member is None or generation != self.generation:
            raise Evicted("the group does not know this member")
        member.deadline = asyncio.get_running_loop().time() + self._session
        return member

    def _close_once_complete(self) -> None:
        """End the joining once all have joined."""
        if self._phase is Phase.JOINING and all(member.join is not None for member in self.members.values()):
            self._close()

    def _close(self) -> None:
        if self._barrier is not None:
            self._barrier.cancel()
        if self._phase is not Phase.JOINING:
            return
        self.members = {name: member for name, member in self.members.items() if member.join is not None}
        self._phase = Phase.SYNCING if self.members else Phase.STABLE
        self.generation += 1
        for name, member in self.members.items():
            join, member.join = member.join, None
            member.deadline = asyncio.get_running_loop().time() + self._session
            if join is not None and not join.done():
                join.set_result(Joined(self.generation, leader=name == self._leader))

    def _assign(self, topics: Sequence[str], partitions: int) -> None:
        """Assign ranges: partition n of every topic goes to the same member."""
        names = sorted(self.members)
        for place, name in enumerate(names):
            shards = [shard for shard in range(partitions) if shard * len(names) // partitions == place]
            if len(names) > partitions:
                shards = [place] if place < partitions else []
            sync = self.members[name].sync
            if sync is not None and not sync.done():
                sync.set_result(frozenset(Partition(topic, shard) for topic in topics for shard in shards))

    def _check_session(self, name: str, member: Member) -> None:
        """Evict the member if it has sent no heartbeat for a session."""
        if self.members.get(name) is not member:
            return
        now = asyncio.get_running_loop().time()
        if member.waits:
            member.deadline = now + self._session
        if now >= member.deadline:
            self.leave(name)
        else:
            asyncio.get_running_loop().call_at(member.deadline, self._check_session, name, member, context=Context())
