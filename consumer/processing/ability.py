"""Whether this worker can work: one answer, for its commits, its readiness and its place in the group."""

from collections.abc import Callable

from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.processing.store_outage import StoreOutage
from schemas import Reason


class Ability:
    """What keeps this worker from working right now: an open breaker, a store that is down, an engine that is gone."""

    def __init__(self, engine_ready: Callable[[], bool], outage: StoreOutage, breaker: CircuitBreaker) -> None:
        self._engine_ready = engine_ready
        self._outage = outage
        self._breaker = breaker

    def __call__(self) -> str | None:
        """Return a sentence for the operator, None while the worker can work: a readiness check."""
        return self._breaker() or self._outage() or self.engine_problem()

    def engine_problem(self) -> str | None:
        """Return a sentence while no process paints: a readiness check of its own."""
        return None if self._engine_ready() else "no device of the engine is ready"

    @property
    def reason(self) -> str:
        """The reason code of what makes this worker's requests stand still, empty when nothing does.

        That includes a store that passes every probe and takes no picture, as one whose disk is full.
        """
        return self._breaker.cause or self._outage.reason or ("" if self._engine_ready() else Reason.ENGINE_FAILED)

    @property
    def may_try(self) -> bool:
        """True if nothing but the breaker is in the way: only a request can tell whether it is still right."""
        return self._engine_ready() and self._outage() is None

    def probe_soon(self) -> None:
        """Have an open breaker try a request soon: the worker has new ones."""
        self._breaker.probe_soon()
