"""Which pictures take the next denoising step together: decided anew for every step. No torch here, and no clock.

The most urgent picture steps: the highest lane, in it the oldest. Only one step in every few goes to a lower lane that
was passed over for long. Others join while that is cheap: a call of the transformer pads all its sequences to the
longest, so a picture joins when the padding it causes costs less than the call it saves. The same account decides
whether guidance takes one call or two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable

PATIENCE_STEPS = 64
"""Steps of others after which a picture that was passed over is starving, and takes the next step that is to be had."""

STARVING_EVERY = 8
"""One step in so many may go to a starving picture before its turn: a higher lane waits for one step at most."""

STAY_STEPS = 24
"""Steps for which the adapters in use stay, once switched, while equally urgent pictures want them."""


_WATCHED = 0
"""Rank of the lane in which an editor looks at the progress bar. A full step takes about five times as long as one of
a picture alone, for one and a half times as many pictures a second."""


class StepCandidate(Protocol):
    """What the choice looks at: a picture in hand, begun or not."""

    @property
    def rank(self) -> int:
        """Its lane, 0 for the most urgent."""

    @property
    def number(self) -> int:
        """Its age: smaller is older."""

    @property
    def passed_over(self) -> int:
        """Steps that others took since its last one, or since it came."""

    @property
    def alone(self) -> bool:
        """True when it may share a step with nobody."""

    @property
    def group(self) -> Hashable:
        """The weights that it needs: only equal ones share a step."""

    @property
    def length(self) -> int:
        """Tokens of its picture and its prompt, as the transformer sees them."""

    @property
    def negative_length(self) -> int:
        """Tokens of its picture and its negative prompt; 0 without guidance."""


Candidate = TypeVar("Candidate", bound=StepCandidate)


@dataclass(frozen=True, slots=True)
class TransformerCall:
    """One call of the transformer: so many sequences, all padded to `length` tokens."""

    sequences: int
    length: int

    @property
    def tokens(self) -> int:
        """What is computed, padding included."""
        return self.sequences * self.length


@dataclass(frozen=True, slots=True)
class StepLimits:
    """What a step may take. `sequences(length)` is how many of that length memory was found to bear in one call.

    `call_tokens` is what a call costs before its first token, in tokens: measured, see `warmup`.
    """

    pictures: int
    tokens: int
    call_tokens: int
    sequences: Callable[[int], int]


@dataclass(frozen=True, slots=True)
class StepBatch(Generic[Candidate]):
    """Pictures that step together, most urgent first, and how guidance is computed: in one call or in two."""

    pictures: tuple[Candidate, ...]
    one_pass: bool

    @property
    def calls(self) -> tuple[TransformerCall, ...]:
        """The transformer calls that it takes."""
        extent = reduce(_BatchShape.joined, map(_BatchShape.of, self.pictures))
        return tuple(TransformerCall(*call) for call in extent.calls(one_pass=self.one_pass))


class StepScheduler(Generic[Candidate]):
    """Chooses step after step; remembers which weights are in use, so that they are not switched back and forth."""

    def __init__(self, limits: StepLimits) -> None:
        self._limits = limits
        self._group: Hashable = None
        self._steps_in_group = 0
        self._steps_since_starving = STARVING_EVERY

    def choose(self, pictures: Collection[Candidate]) -> StepBatch[Candidate]:
        """Return the next step over `pictures`, of which there is at least one. Never empty."""
        head = self._starving(pictures) or self._head(pictures)
        if head.group != self._group:
            self._group, self._steps_in_group = head.group, 0
        self._steps_in_group += 1
        chosen, plan = (
            [head],
            self._plan(_BatchShape.of(head)) or _BatchPlan(_BatchShape.of(head), one_pass=False, cost=0),
        )
        for other in () if head.alone else _candidates(head, pictures):
            if len(chosen) == self._limits.pictures:
                break
            if joined := self._joined(plan, other):
                chosen.append(other)
                plan = joined
        return StepBatch(tuple(chosen), plan.one_pass)

    def _starving(self, pictures: Iterable[Candidate]) -> Candidate | None:
        """Return the picture that was passed over for longest, if it is starving and this step may be its."""
        self._steps_since_starving += 1
        longest = max(pictures, key=lambda picture: picture.passed_over)
        if longest.passed_over < PATIENCE_STEPS or self._steps_since_starving < STARVING_EVERY:
            return None
        self._steps_since_starving = 0
        return longest

    def _head(self, pictures: Iterable[Candidate]) -> Candidate:
        """Return the most urgent picture, or an equally urgent one that spares switching the weights."""
        ordered = sorted(pictures, key=_urgency)
        first = ordered[0]
        if first.group != self._group and self._steps_in_group < STAY_STEPS:
            staying = (picture for picture in ordered if picture.group == self._group)
            return next((picture for picture in staying if picture.rank == first.rank), first)
        return first

    def _joined(self, plan: _BatchPlan, other: Candidate) -> _BatchPlan | None:
        """Return the plan with `other` in it, None when two steps are cheaper or it does not fit."""
        extent = _BatchShape.of(other)
        together = self._plan(plan.extent.joined(extent))
        if together is None:
            return None
        apart = self._plan(extent)
        return together if apart and together.cost <= plan.cost + apart.cost else None

    def _plan(self, extent: _BatchShape) -> _BatchPlan | None:
        """Return the cheaper way of computing guidance that fits, None when neither does."""
        best = None
        for one_pass in (True, False) if extent.guided else (True,):
            calls = extent.calls(one_pass=one_pass)
            if all(self._fits(sequences, length) for sequences, length in calls):
                cost = sum(self._limits.call_tokens + sequences * length for sequences, length in calls)
                if best is None or cost < best.cost:
                    best = _BatchPlan(extent, one_pass, cost)
        return best

    def _fits(self, sequences: int, length: int) -> bool:
        return sequences * length <= self._limits.tokens and sequences <= self._limits.sequences(length)


class _BatchShape(NamedTuple):
    """All of a step that its cost depends on: sequences and the longest of them, with and without guidance.

    Joining is a matter of four numbers, however many pictures there are: it is decided before every step.
    """

    pictures: int
    length: int
    guided: int
    negative_length: int

    @classmethod
    def of(cls, picture: StepCandidate) -> _BatchShape:
        """Return a picture's own."""
        return cls(1, picture.length, int(picture.negative_length > 0), picture.negative_length)

    def joined(self, other: _BatchShape) -> _BatchShape:
        """Return that of both together."""
        return _BatchShape(
            self.pictures + other.pictures,
            max(self.length, other.length),
            self.guided + other.guided,
            max(self.negative_length, other.negative_length),
        )

    def calls(self, *, one_pass: bool) -> tuple[tuple[int, int], ...]:
        """Return sequences and length of each call of the transformer."""
        if not self.guided:
            return ((self.pictures, self.length),)
        if one_pass:
            return ((self.pictures + self.guided, max(self.length, self.negative_length)),)
        return (self.pictures, self.length), (self.guided, self.negative_length)


class _BatchPlan(NamedTuple):
    """How a step is computed, and what that costs in tokens."""

    extent: _BatchShape
    one_pass: bool
    cost: int


def _candidates(head: Candidate, pictures: Iterable[Candidate]) -> list[Candidate]:
    """Return who may join `head`, by urgency; among equally urgent ones those of its own shape come first.

    Nobody makes the steps longer of a picture that somebody is watching, but others that are watched.
    """

    def key(picture: Candidate) -> tuple[int, bool, int]:
        return picture.rank, _shape(picture) != _shape(head), picture.number

    fit = (picture for picture in pictures if picture.group == head.group and not picture.alone)
    let = (picture for picture in fit if head.rank != _WATCHED or picture.rank == _WATCHED)
    return sorted((picture for picture in let if picture is not head), key=key)


def _urgency(picture: StepCandidate) -> tuple[int, int]:
    return picture.rank, picture.number


def _shape(picture: StepCandidate) -> tuple[int, int]:
    return picture.length, picture.negative_length
