"""Choice of the pictures that take the next denoising step together, made before every step. No torch, no clock.

The most urgent picture steps: the highest lane first, in it the oldest. Only one step in every few goes to a picture of
a lower lane that has waited long. Others join while that is cheap: a call of the transformer pads all its sequences to
the longest, so a picture joins if the padding it causes costs less than the call it saves. The same estimate decides
whether guidance takes one call or two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Generic, NamedTuple, Protocol, TypeVar

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
        """Tokens of its picture and prompt, with the transformer's own padding."""

    @property
    def negative_length(self) -> int:
        """Tokens of its picture and its negative prompt; 0 without guidance."""


Candidate = TypeVar("Candidate", bound=StepCandidate)


@dataclass(frozen=True, slots=True)
class TransformerCall:
    """One call of the transformer: n sequences, all padded to `length` tokens."""

    sequences: int
    length: int

    @property
    def tokens(self) -> int:
        """Tokens computed, padding included."""
        return self.sequences * self.length


@dataclass(frozen=True, slots=True)
class StepLimits:
    """Limits of a step. `sequences(length)` is how many sequences of that length fit into memory in one call.

    `call_tokens` is the fixed cost of a call, in tokens, as measured by `warmup`.
    """

    pictures: int
    tokens: int
    call_tokens: int
    sequences: Callable[[int], int]


@dataclass(frozen=True, slots=True)
class StepBatch(Generic[Candidate]):
    """Pictures that take a step together, most urgent first; guidance is computed in one call (`one_pass`) or two."""

    pictures: tuple[Candidate, ...]
    one_pass: bool

    @property
    def calls(self) -> tuple[TransformerCall, ...]:
        """The transformer calls of the step."""
        shape = reduce(_BatchShape.joined, map(_BatchShape.of, self.pictures))
        return tuple(TransformerCall(*call) for call in shape.calls(one_pass=self.one_pass))


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

    def _joined(self, plan: _BatchPlan, other: Candidate) -> _BatchPlan | None:
        """Return the plan with `other` added; None if two steps are cheaper or it does not fit."""
        shape = _BatchShape.of(other)
        together = self._plan(plan.shape.joined(shape))
        if together is None:
            return None
        apart = self._plan(shape)
        return together if apart and together.cost <= plan.cost + apart.cost else None

    def _plan(self, shape: _BatchShape) -> _BatchPlan | None:
        """Return the cheaper way of computing guidance that fits, None if neither does."""
        best = None
        for one_pass in (True, False) if shape.guided else (True,):
            calls = shape.calls(one_pass=one_pass)
            if all(self._fits(sequences, length) for sequences, length in calls):
                cost = sum(self._limits.call_tokens + sequences * length for sequences, length in calls)
                if best is None or cost < best.cost:
                    best = _BatchPlan(shape, one_pass, cost)
        return best

    def _fits(self, sequences: int, length: int) -> bool:
        return sequences * length <= self._limits.tokens and sequences <= self._limits.sequences(length)


class _BatchShape(NamedTuple):
    """Everything a step's cost depends on: the number of sequences and their maximum length, with and without guidance.

    Four numbers, however many pictures there are, because joining is decided before every step.
    """

    pictures: int
    length: int
    guided: int
    negative_length: int

    @classmethod
    def of(cls, picture: StepCandidate) -> _BatchShape:
        """Return the shape of one picture."""
        return cls(1, picture.length, int(picture.negative_length > 0), picture.negative_length)

    def joined(self, other: _BatchShape) -> _BatchShape:
        """Return the shape of both together."""
        return _BatchShape(
            self.pictures + other.pictures,
            max(self.length, other.length),
            self.guided + other.guided,
            max(self.negative_length, other.negative_length),
        )

    def calls(self, *, one_pass: bool) -> tuple[tuple[int, int], ...]:
        """Return the number of sequences and the length of each call of the transformer."""
        if not self.guided:
            return ((self.pictures, self.length),)
        if one_pass:
            return ((self.pictures + self.guided, max(self.length, self.negative_length)),)
        return (self.pictures, self.length), (self.guided, self.negative_length)


class _BatchPlan(NamedTuple):
    """A way to compute a step, and its cost in tokens."""

    shape: _BatchShape
    one_pass: bool
    cost: int


def _candidates(head: Candidate, pictures: Iterable[Candidate]) -> list[Candidate]:
    """Return the pictures that may join `head`, most urgent first; of equally urgent ones, those of its shape first.

    Only interactive pictures may lengthen the steps of an interactive picture.
    """

    def key(picture: Candidate) -> tuple[int, bool, int]:
        return picture.rank, _lengths(picture) != _lengths(head), picture.number

    compatible = (picture for picture in pictures if picture.group == head.group and not picture.alone)
    allowed = (picture for picture in compatible if head.rank != _WATCHED or picture.rank == _WATCHED)
    return sorted((picture for picture in allowed if picture is not head), key=key)


def _urgency(picture: StepCandidate) -> tuple[int, int]:
    return picture.rank, picture.number


def _lengths(picture: StepCandidate) -> tuple[int, int]:
    return picture.length, picture.negative_length
