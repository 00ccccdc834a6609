from __future__ import annotations

import pytest

from consumer.gateway.access import rates
from consumer.gateway.access.principal import CallerLimits, Principal
from consumer.gateway.access.rates import CallerRates
from consumer.gateway.problems import Problem
from tests.support.gateway_server import serve_gateway


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def caller(source: str = "/cms/a", key: str = "", rate: float | None = None) -> Principal:
    return Principal("Ada", source, frozenset(), key_id=key, limits=CallerLimits(rate))


def allowed(limit: CallerRates, principal: Principal, times: int = 100) -> int:
    """Return how many of so many requests at once are let through."""
    passed = 0
    for _ in range(times):
        try:
            limit.check(principal)
        except Problem:
            break
        passed += 1
    return passed


def test_a_source_has_a_rate_and_a_burst() -> None:
    """Twice a second's requests may come at once, then as many as the rate lets through."""
    clock = Clock()
    limit = CallerRates(5.0, clock)
    assert allowed(limit, caller()) == 10
    clock.now += 1.0
    assert allowed(limit, caller()) == 5
    clock.now += 3600.0
    assert allowed(limit, caller()) == 10


def test_keys_of_a_source_share_its_rate_and_sources_do_not() -> None:
    """More keys get a source no more; another source is not held up."""
    limit = CallerRates(5.0, Clock())
    assert allowed(limit, caller(key="k1")) == 10
    assert allowed(limit, caller(key="k2")) == 0
    assert allowed(limit, caller("/cms/b")) == 10


def test_a_key_may_have_a_rate_of_its_own() -> None:
    """It counts for that key alone, above the site's rate or where the site has none."""
    limit = CallerRates(None, Clock())
    assert allowed(limit, caller()) == 100
    assert allowed(limit, caller(key="k1", rate=0.5)) == 1
    assert allowed(limit, caller(key="k2", rate=0.5)) == 1


def test_it_says_when_to_come_back() -> None:
    """Retry-After is the time until there is one more, in whole seconds, rounded up."""
    clock = Clock()
    limit = CallerRates(0.25, clock)
    allowed(limit, caller())
    with pytest.raises(Problem) as refused:
        limit.check(caller())
    assert refused.value.retry_after == 4
    clock.now += 4
    limit.check(caller())


def test_sources_that_are_idle_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many sources an issuer names, memory is bounded."""
    monkeypatch.setattr(rates, "MOST_BUCKETS", 3)
    limit = CallerRates(0.5, Clock())
    for number in range(10):
        allowed(limit, caller(f"/cms/{number}"))
    assert len(limit._buckets) == 3
    assert allowed(limit, caller("/cms/9")) == 0


async def test_too_many_requests_are_a_problem() -> None:
    """The answer is 429 with Retry-After as problem+json; other sources are served."""
    async with serve_gateway(requests_per_second=0.5) as served:
        client = served.client(served.key("/cms/a"))
        async with client.get("/v1/articles") as first:
            assert first.status == 200
        async with client.get("/v1/articles") as second:
            body = await second.json()
            assert (second.status, second.headers["retry-after"], second.content_type) == (
                429,
                "2",
                "application/problem+json",
            )
            assert (body["reason"], body["status"]) == ("too_many_requests", 429)
        async with served.client(served.key("/cms/b")).get("/v1/articles") as other:
            assert other.status == 200
