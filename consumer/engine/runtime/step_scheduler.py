"""Choice of the pictures that take the next denoising step together, made before every step. No torch, no clock.

The most urgent picture steps: the highest lane first, in it the oldest. Only one step in every few goes to a picture of
a lower lane that has waited long. Others join, most urgent first, while the step's limit of tokens allows: its
sequences are packed one after the other, so a step costs what its tokens cost, whatever their sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

PATIENCE_STEPS = 64
"""Steps of others after which a waiting picture is starving, and gets the next step reserved for such pictures."""

STARVING_EVERY = 8
"""One step in this many may go to a starving picture out of turn: a higher lane waits for one step at most."""

STAY_STEPS = 24
"""Steps for which adapters stay active after a switch while equally urgent pictures need them."""

_WATCHED = 0
"""Rank of the lane in which an editor watches the progress bar. A full step takes about five times as long as one of a
picture alone, for one and a half times as many pictures per second."""


class StepCandidate(Protocol):
    """The properties of a picture, begun or not, that the choice depends on."""

    @property
    def rank(self) -> int:
        """Its lane's rank, 0 for the most urgent."""

    @property
    def number(self) -> int:
        """Its order of arrival: smaller is older."""

    @property
    def passed_over(self) -> int:
        """Steps that others took since its last one, or since it arrived."""

    @property
    def alone(self) -> bool:
        """True if it must not share a step."""

    @property
    def group(self) -> Hashable:
        """The adapters that it needs: only pictures with equal ones share a step."""

    @property
    def length(self) -> int:
        """Tokens of its picture and prompt, with those that the model itself adds."""

    @property
    def negative_length(self) -> int:
        """Tokens of its picture and its negative prompt; 0 without guidance."""


Candidate = TypeVar("Candidate", bound=StepCandidate)


@dataclass(frozen=True, slots=True)
class PictureSequence(Generic[Candidate]):
    """A picture with its prompt, or with its negative prompt."""

    picture: Candidate
    negative: bool

    @property
    def length(self) -> int:
        """Its tokens."""
        return self.picture.negative_length if self.negative else self.picture.length


@dataclass(frozen=True, slots=True)
class TransformerCall(Generic[Candidate]):
    """One call of the transformer: never empty."""

    sequences: tuple[PictureSequence[Candidate], ...]

    @property
    def tokens(self) -> int:
        """Tokens of all its sequences."""
        return sum(sequence.length for sequence in self.sequences)


@dataclass(frozen=True, slots=True)
class StepLimits:
    """Limits of a step that has more than one picture; `tokens` returns the current one."""

    pictures: int
    tokens: Callable[[], int]


@dataclass(frozen=True, slots=True)
class StepBatch(Generic[Candidate]):
    """Pictures that take a step together, most urgent first."""

    pictures: tuple[Candidate, ...]

    def calls(self, tokens: int) -> tuple[TransformerCall[Candidate], ...]:
        """Return the step's calls: one, or as few as have at most that many tokens or a single sequence."""
        calls: list[list[PictureSequence[Candidate]]] = []
        room = 0
        for sequence in self._sequences():
            if not calls or sequence.length > room:
                calls.append([])
                room = tokens
            calls[-1].append(sequence)
            room -= sequence.length
        return tuple(TransformerCall(tuple(call)) for call in calls)

    def _sequences(self) -> Iterator[PictureSequence[Candidate]]:
        for picture in self.pictures:
            yield PictureSequence(picture, negative=False)
        for picture in self.pictures:
            if picture.negative_length:
                yield PictureSequence(picture, negative=True)


class StepScheduler(Generic[Candidate]):
    """Chooses the pictures of each step; remembers the active adapters so as not to switch them back and forth."""

    def __init__(self, limits: StepLimits) -> None:
        self._limits = limits
        self._group: Hashable = None
        self._steps_in_group = 0
        self._steps_since_starving = STARVING_EVERY

    def choose(self, pictures: Collection[Candidate]) -> StepBatch[Candidate]:
        """Return the next step's pictures out of `pictures`, which must not be empty: at least one."""
        head = self._starving(pictures) or self._head(pictures)
        if head.group != self._group:
            self._group, self._steps_in_group = head.group, 0
        self._steps_in_group += 1
        chosen, room = [head], self._limits.tokens() - _tokens(head)
        for other in () if head.alone else _candidates(head, pictures):
            if len(chosen) == self._limits.pictures:
                break
            if _tokens(other) <= room:
                chosen.append(other)
                room -= _tokens(other)
        return StepBatch(tuple(chosen))

    def _starving(self, pictures: Iterable[Candidate]) -> Candidate | None:
        """Return the picture that has waited longest, if it is starving and this step may go to one."""
        self._steps_since_starving += 1
        longest = max(pictures, key=lambda picture: picture.passed_over)
        if longest.passed_over < PATIENCE_STEPS or self._steps_since_starving < STARVING_EVERY:
            return None
        self._steps_since_starving = 0
        return longest

    def _head(self, pictures: Iterable[Candidate]) -> Candidate:
        """Return the most urgent picture, or an equally urgent one that needs no switch of adapters."""
        ordered = sorted(pictures, key=_urgency)
        first = ordered[0]
        if first.group != self._group and self._steps_in_group < STAY_STEPS:
            staying = (picture for picture in ordered if picture.group == self._group)
            return next((picture for picture in staying if picture.rank == first.rank), first)
        return first


def _candidates(head: Candidate, pictures: Iterable[Candidate]) -> list[Candidate]:
    """Return the pictures that may join `head`, most urgent first.

    Only interactive pictures may lengthen the steps of an interactive picture.
    """
    compatible = (picture for picture in pictures if picture.group == head.group and not picture.alone)
    allowed = (picture for picture in compatible if head.rank != _WATCHED or picture.rank == _WATCHED)
    return sorted((picture for picture in allowed if picture is not head), key=_urgency)


def _urgency(picture: StepCandidate) -> tuple[int, int]:
    return picture.rank, picture.number


def _tokens(picture: StepCandidate) -> int:
    return picture.length + picture.negative_length
