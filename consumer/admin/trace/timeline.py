"""What a trace finds, as frozen values. Times are milliseconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Place(NamedTuple):
    """Where a record is, written TOPIC PARTITION:OFFSET."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic} {self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class FailureFacts:
    """Why something failed: a reason code, a sentence, and the field of the request, if it is about one."""

    reason: str
    message: str
    field: str = ""


class RecordState(StrEnum):
    """How far the group is with a record of a lane."""

    WAITING = "waiting"
    IN_ENGINE = "in the engine"
    FINISHED = "finished"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the group is with a record.

    `before`: unfinished offsets before it. `deaths`: processes that ended with it in their engine.
    """

    state: RecordState
    before: int = 0
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """A record on a lane: a request as published, or one of its retries, whose `origin` is where it was first read.

    `kind` is the event's type in short, such as `image-requested`. `attempt` counts from 1. `due_ms` is when a retry is
    tried again, and `failure` why the attempt before it failed. `problem` is how the record breaks the contract.
    `replay` is the id of the replay that published it, `redriven` the dead letter it was; `lets_go`: an editor's choice
    of no picture. `paused_ms` is since when an operator holds it, 0 if none does; `called_off`: it ends as cancelled.
    `settles_ms` is until when it waits for a newer save at the latest, 0 if it does not.
    """

    place: Place
    ms: int
    kind: str
    request_id: str
    slot: str | None
    revision: int | None
    standing: Standing
    origin: Place
    problem: FailureFacts | None = None
    attempt: int = 1
    due_ms: int = 0
    failure: FailureFacts | None = None
    replay: str = ""
    redriven: str = ""
    lets_go: bool = False
    paused_ms: int = 0
    called_off: bool = False
    settles_ms: int = 0

    @property
    def is_retry(self) -> bool:
        """Whether it is a later attempt of a record on another lane."""
        return self.place != self.origin


@dataclass(frozen=True, slots=True)
class TracedFile:
    """An announced file, the `master` or a rendition; `size` in bytes."""

    name: str
    key: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class TracedPicture:
    """A picture that an outcome announces, with its files: the master first. `url` is empty if it expires."""

    recipe: str
    url: str
    files: tuple[TracedFile, ...]

    @property
    def master(self) -> TracedFile:
        """The picture's own file."""
        return self.files[0]


@dataclass(frozen=True, slots=True)
class TracedOutcome:
    """An outcome; `result` is it in short.

    `failure` is why there is no picture, `newer` the revision that superseded it, `expires_at` when it expired or will.
    `ordinal` is 0 in outcomes from before there was one. `rule` is the editorial rule that decided, and `message` what
    it says. `flags` are those of a ready outcome that are true: chosen, kept, offers.
    """

    place: Place
    ms: int
    kind: str
    request_id: str
    slot: str | None
    revision: int | None
    result: str
    failure: FailureFacts | None = None
    final: bool = False
    attempts: int = 0
    newer: int | None = None
    expires_at: str = ""
    reused: bool = False
    pictures: tuple[TracedPicture, ...] = ()
    ordinal: int = 0
    rule: str = ""
    message: str = ""
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TracedDeadLetter:
    """A dead letter: what it was first read from, why it failed, its state (open, redriven, purged) and since when."""

    place: Place
    ms: int
    origin: Place
    request_id: str
    failure: FailureFacts
    attempts: str
    state: str
    acted_at: str = ""


@dataclass(frozen=True, slots=True)
class TracedHead:
    """A slot's entry in the heads, as last written: the newest revision and the event that brought it.

    `slot` is empty for decisions about the whole article; `decided` says what an editor decided, empty for nothing.
    """

    place: Place
    ms: int
    slot: str
    revision: int
    source: str
    request_id: str
    made: int | None
    ordinal: int = 0
    decided: str = ""


class FileState(StrEnum):
    """How a file is in the store."""

    THERE = "there"
    GONE = "gone"
    DAMAGED = "damaged"
    UNKNOWN = "not looked up"


@dataclass(frozen=True, slots=True)
class StoredUse:
    """An entry in the store: a slot shows the picture of a recipe, or is about to.

    `announced`: an outcome of the timeline names the recipe. `picture` is the key of the picture's file, empty without
    a readable manifest.
    """

    slot: str
    recipe: str
    announced: bool
    picture: str = ""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """The state of each key that was looked up, and the article's entries.

    `withdrawn` are the slots that are marked as withdrawn, by the withdrawal's id; the slot "" stands for all.
    `problem` says why the store could not be asked, empty if it could.
    """

    states: Mapping[str, FileState] = field(default_factory=dict)
    uses: tuple[StoredUse, ...] = ()
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def state(self, key: str) -> FileState:
        """Return how a file is in the store."""
        return self.states.get(key, FileState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """The workers' group: how many members read the lanes, None if unknown.

    `stuck` says what an operator has to decide, `outage` what keeps the workers from working, `problem` why the group's
    positions are unknown, and `policy_problem` why the editorial policy is; each is empty if there is nothing.
    """

    name: str
    workers: int | None = None
    stuck: str = ""
    outage: str = ""
    problem: str = ""
    policy_problem: str = ""


@dataclass(frozen=True, slots=True)
class SearchFacts:
    """What was read: the `partitions` of each topic, `home` among them, where the key belongs by murmur2.

    `elsewhere`: nothing was in the home partition, so all were read. `since_ms`: nothing older was read (0: all that
    the topics hold). `records` were read in all. `left_out`: older ones that were found and are not listed. `hidden`:
    offsets of lanes behind a publisher's open transaction. `unread` says where reading ended early.
    """

    home: int
    partitions: tuple[int, ...]
    elsewhere: bool = False
    since_ms: int = 0
    records: int = 0
    left_out: int = 0
    hidden: int = 0
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything found of an article, each kind in time order."""

    article: str
    search: SearchFacts
    group: GroupFacts
    requests: tuple[TracedRequest, ...] = ()
    outcomes: tuple[TracedOutcome, ...] = ()
    letters: tuple[TracedDeadLetter, ...] = ()
    heads: tuple[TracedHead, ...] = ()
    store: StoreFacts = field(default_factory=StoreFacts)

    @property
    def is_empty(self) -> bool:
        """Whether no topic holds anything of the article."""
        return not (self.requests or self.outcomes or self.letters or self.heads)
