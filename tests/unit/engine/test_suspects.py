"""The verdict on pictures that were being painted when a process died."""

from __future__ import annotations

import asyncio
import time

from hypothesis import given
from hypothesis import strategies as st

from consumer.engine.process import ProcessEnd
from consumer.engine.request import PaintRequest
from consumer.engine.suspects import ProcessDeath, Suspects
from consumer.errors import LeadartError, Transient
from consumer.jobs import Lane, ModelIdentity, Recipe
from schemas import Reason


def wanted(suspects: Suspects, seed: int = 1) -> PaintRequest:
    recipe = Recipe("a", "", ModelIdentity("tiny", "0" * 64), (), 64, 32, 2, 0.0, seed, "default", 1)
    result = asyncio.get_running_loop().create_future()
    return PaintRequest(seed, recipe, Lane.LIVE, lambda _done, _of: None, result, suspects.recall(recipe.digest))


def death(*, memory: bool = False, alone: bool = True, in_a_row: int = 1, painted_at: float = 0.0) -> ProcessDeath:
    return ProcessDeath(ProcessEnd("killed by SIGKILL", memory), alone, in_a_row, painted_at)


def later() -> float:
    """A moment after all deaths so far."""
    return time.monotonic() + 1


def error_of(request: PaintRequest) -> LeadartError:
    error = request.result.exception()
    assert isinstance(error, LeadartError)
    return error


async def test_a_second_death_convicts_where_another_picture_was_painted_in_between() -> None:
    """The process painted others and ended with this one twice: the picture is poison."""
    suspects = Suspects()
    request = wanted(suspects)
    suspects.judge(request, death(alone=False))
    assert request.command.alone
    suspects.judge(request, death(painted_at=later()))
    assert error_of(request).reason is Reason.ENGINE_POISON


async def test_a_death_in_company_never_convicts() -> None:
    """Only a picture that was painted alone can be told apart."""
    suspects = Suspects()
    request = wanted(suspects)
    for _ in range(5):
        suspects.judge(request, death(alone=False, painted_at=later()))
    assert not request.result.done()


async def test_without_another_picture_a_suspect_waits_for_one() -> None:
    """Twice a suspect and nothing painted in between: it is set aside until something is, then tried again."""
    suspects = Suspects()
    request, other = wanted(suspects), wanted(suspects, seed=2)
    suspects.judge(request, death())
    suspects.judge(request, death(in_a_row=2))
    assert suspects.is_aside(request)
    assert suspects.painted(other) == [request]
    assert not suspects.is_aside(request)


async def test_with_nothing_left_to_wait_for_the_failure_is_ours() -> None:
    """No other picture is there to be painted: the request may be tried again, and the engine remembers it."""
    suspects = Suspects()
    request = wanted(suspects)
    suspects.judge(request, death())
    suspects.judge(request, death(in_a_row=2))
    suspects.give_up_waiting()
    assert isinstance(error_of(request), Transient)
    again = wanted(suspects)
    assert again.command.alone
    suspects.judge(again, death(painted_at=later()))
    assert error_of(again).reason is Reason.ENGINE_POISON


async def test_a_painted_picture_is_cleared() -> None:
    """A suspect that was painted is none any more."""
    suspects = Suspects()
    request = wanted(suspects)
    suspects.judge(request, death())
    suspects.painted(request)
    assert not wanted(suspects).command.alone


async def test_lack_of_memory_is_named() -> None:
    """A picture that does not fit even alone fails as ours and says how large it is; in company it is tried alone."""
    suspects = Suspects()
    request = wanted(suspects)
    suspects.judge(request, death(memory=True, alone=False, painted_at=later()))
    assert not request.result.done()
    suspects.judge(request, death(memory=True, painted_at=later()))
    error = error_of(request)
    assert isinstance(error, Transient)
    assert error.reason is Reason.ENGINE_FAILED
    assert "lack of memory" in error.message
    assert "64x32" in error.message


DEATHS = st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), max_size=40)


@given(DEATHS)
def test_while_nothing_is_painted_nobody_is_convicted(deaths: list[tuple[int, bool, bool]]) -> None:
    """Whatever dies, in whatever company: without a single picture painted, no verdict says poison."""

    async def judged() -> list[LeadartError]:
        suspects, errors = Suspects(), []
        for number, (seed, alone, memory) in enumerate(deaths):
            request = wanted(suspects, seed)
            suspects.judge(request, death(memory=memory, alone=alone, in_a_row=number + 1))
            suspects.give_up_waiting()
            if request.result.done():
                errors.append(error_of(request))
        return errors

    assert all(type(error) is Transient for error in asyncio.run(judged()))
