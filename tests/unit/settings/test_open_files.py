from __future__ import annotations

import resource
from collections.abc import Callable

import pytest

from consumer.errors import Fatal
from consumer.settings import Settings
from consumer.settings.open_files import raise_gateway_files_limit, raise_open_files_limit

SETTINGS = Settings.model_validate({"storage": {"connections": 32}})
Limits = tuple[int, int]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], list[Limits]]:
    """Pretend that the process has these limits; returns what it sets."""

    def pretend(soft: int, hard: int) -> list[Limits]:
        made: list[Limits] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _which: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: made.append(limits))
        return made

    return pretend


def test_the_limit_is_raised_as_far_as_allowed(limits: Callable[[int, int], list[Limits]]) -> None:
    """A worker on the usual 1 024 takes what the system grants, up to a number that is always enough."""
    made = limits(1024, 4096)
    raise_open_files_limit(SETTINGS, 12)
    assert made == [(4096, 4096)]
    made = limits(1024, 1_048_576)
    raise_open_files_limit(SETTINGS, 12)
    assert made == [(65_536, 1_048_576)]


def test_a_limit_that_is_high_enough_stays(limits: Callable[[int, int], list[Limits]]) -> None:
    """An operator's higher number is kept."""
    made = limits(100_000, 1_048_576)
    raise_open_files_limit(SETTINGS, 12)
    made += limits(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    raise_open_files_limit(SETTINGS, 1000)
    assert made == []


@pytest.mark.parametrize(("hard", "partitions", "needed"), [(128, 12, 240), (1024, 300, 1392)])
def test_a_limit_too_low_is_a_sentence(
    limits: Callable[[int, int], list[Limits]], hard: int, partitions: int, needed: int
) -> None:
    """It says what there is, what is needed and where it is set, before any connection fails."""
    limits(hard, hard)
    with pytest.raises(Fatal, match=rf"open files is {hard}, .* {needed} \({partitions} partitions\).*ulimit -n"):
        raise_open_files_limit(SETTINGS, partitions)


def test_a_gateway_needs_one_for_each_connection(limits: Callable[[int, int], list[Limits]]) -> None:
    """Its connections count; if they do not fit, their setting is named."""
    made = limits(1024, 4096)
    raise_gateway_files_limit(SETTINGS)
    assert made == [(4096, 4096)]
    limits(1024, 1024)
    with pytest.raises(Fatal, match=r"open files is 1024, .* 1192 \(1000 connections\).*LEADART_GATEWAY__CONNECTIONS"):
        raise_gateway_files_limit(SETTINGS)
