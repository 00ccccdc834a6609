"""Which pictures take the next denoising step together: decided anew for every step. No torch here, and no clock.

The most urgent picture steps: the highest lane, in it the oldest. Only one step in every few goes to a lower lane that
was passed over for long. Others join while that is cheap: a call of the transformer pads all its sequences to the
longest, so a picture joins when the padding it causes costs less than the call it saves. The same account decides
whether guidance takes one call or two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Sequence

PATIENCE_STEPS = 64
"""Steps of others after which a picture that was passed over is starving, and takes the next step that is to be had."""

STARVING_EVERY = 8
"""One step in so many may go to a starving picture before its turn: a higher lane waits for one step at most."""

STAY_STEPS = 24
"""Steps for which the adapters in use stay, once switched, while equally urgent pictures want them."""


class Candidate(Protocol):
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


Picture = TypeVar("Picture", bound=Candidate)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the transformer: so many sequences, all padded to `length` tokens."""

    sequences: int
    length: int

    @property
    def tokens(self) -> int:
        """What is computed, padding included."""
        return self.sequences * self.length


@dataclass(frozen=True, slots=True)
class Limits:
    """What a step may take. `sequences(length)` is how many of that length memory was found to bear in one call.

    `call_tokens` is what a call costs before its first token, in tokens: measured, see `consumer.engine.warmup`.
    """

    pictures: int
    tokens: int
    call_tokens: int
    sequences: Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Step(Generic[Picture]):
    """Pictures that step together, most urgent first, and how guidance is computed: in one call or in two."""

    pictures: tuple[Picture, ...]
    one_pass: bool

    @property
    def calls(self) -> tuple[Call, ...]:
        """The transformer calls that it takes."""
        return _calls(self.pictures, one_pass=self.one_pass)


class Chooser(Generic[Picture]):
    """Chooses step after step; remembers which weights are in use, so that they are not switched back and forth."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._group: Hashable = None
        self._steps_in_group = 0
        self._steps_since_starving = STARVING_EVERY

    def choose(self, pictures: Collection[Picture]) -> Step[Picture]:
        """Return the next step over `pictures`, of which there is at least one. Never empty."""
        head = self._starving(pictures) or self._head(pictures)
        if head.group != self._group:
            self._group, self._steps_in_group = head.group, 0
        self._steps_in_group += 1
        step = self._plan((head,)) or Step((head,), one_pass=False)
        for other in () if head.alone else _company(head, pictures):
            if len(step.pictures) == self._limits.pictures:
                break
            step = self._joined(step, other) or step
        return step

    def _starving(self, pictures: Iterable[Picture]) -> Picture | None:
        """Return the picture that was passed over for longest, if it is starving and this step may be its."""
        self._steps_since_starving += 1
        longest = max(pictures, key=lambda picture: picture.passed_over)
        if longest.passed_over < PATIENCE_STEPS or self._steps_since_starving < STARVING_EVERY:
            return None
        self._steps_since_starving = 0
        return longest

    def _head(self, pictures: Iterable[Picture]) -> Picture:
        """Return the most urgent picture, or an equally urgent one that spares switching the weights."""
        ordered = sorted(pictures, key=_urgency)
        first = ordered[0]
        if first.group != self._group and self._steps_in_group < STAY_STEPS:
            staying = (picture for picture in ordered if picture.group == self._group)
            return next((picture for picture in staying if picture.rank == first.rank), first)
        return first

    def _joined(self, step: Step[Picture], other: Picture) -> Step[Picture] | None:
        """Return the step with `other` in it, None when two steps are cheaper or it does not fit."""
        together = self._plan((*step.pictures, other))
        apart = self._plan((other,))
        if together is None or apart is None:
            return None
        return together if self._cost(together) <= self._cost(step) + self._cost(apart) else None

    def _plan(self, pictures: tuple[Picture, ...]) -> Step[Picture] | None:
        """Return the cheaper way of computing guidance that fits, None when neither does."""
        ways = [Step(pictures, one_pass=one_pass) for one_pass in (True, False)]
        return min((way for way in ways if self._fits(way)), key=self._cost, default=None)

    def _fits(self, step: Step[Picture]) -> bool:
        return all(
            call.tokens <= self._limits.tokens and call.sequences <= self._limits.sequences(call.length)
            for call in step.calls
        )

    def _cost(self, step: Step[Picture]) -> int:
        return sum(self._limits.call_tokens + call.tokens for call in step.calls)


def _company(head: Picture, pictures: Iterable[Picture]) -> list[Picture]:
    """Return who may join `head`, by urgency; among equally urgent ones those of its own shape come first."""

    def key(picture: Picture) -> tuple[int, bool, int]:
        return picture.rank, _shape(picture) != _shape(head), picture.number

    fit = (picture for picture in pictures if picture.group == head.group and not picture.alone)
    return sorted((picture for picture in fit if picture is not head), key=key)


def _calls(pictures: Sequence[Candidate], *, one_pass: bool) -> tuple[Call, ...]:
    guided = [picture.negative_length for picture in pictures if picture.negative_length]
    positive = Call(len(pictures), max(picture.length for picture in pictures))
    if not guided:
        return (positive,)
    negative = Call(len(guided), max(guided))
    if one_pass:
        return (Call(positive.sequences + negative.sequences, max(positive.length, negative.length)),)
    return positive, negative


def _urgency(picture: Candidate) -> tuple[int, int]:
    return picture.rank, picture.number


def _shape(picture: Candidate) -> tuple[int, int]:
    return picture.length, picture.negative_length
