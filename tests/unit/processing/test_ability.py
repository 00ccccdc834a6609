"""One answer to whether the worker can work."""

from __future__ import annotations

from consumer.errors import Overloaded
from consumer.processing.ability import Ability
from consumer.processing.circuit_breaker import IN_A_ROW, BreakerPermit, CircuitBreaker
from consumer.processing.store_outage import Operation, StoreOutage
from schemas import Reason


async def test_whatever_is_in_the_way_is_named() -> None:
    """Engine, store and breaker each make the worker unable; a breaker alone may be tried."""
    ready, outage, breaker = [True], StoreOutage(), CircuitBreaker()
    ability = Ability(lambda: ready[0], outage, breaker)
    assert (ability(), ability.reason, ability.may_try) == (None, "", True)

    ready[0] = False
    assert (ability(), ability.reason) == ("no device of the engine is ready", "engine_failed")
    assert not ability.may_try
    outage.begin(Operation.FIND, Overloaded(Reason.MISCONFIGURED, "wrong keys"))
    assert (ability(), ability.reason) == ("wrong keys", "misconfigured")
    ready[0] = True
    assert not ability.may_try
    outage.end(Operation.FIND)
    for _ in range(IN_A_ROW):
        breaker.failed(BreakerPermit(), Reason.NOT_FINITE)
    assert (ability.reason, ability.may_try) == ("not_finite", True)
    assert "the breaker is open" in (ability() or "")
    breaker.stop()
