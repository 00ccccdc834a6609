"""What queueing theory says of queues that the simulation can be made to be."""

from __future__ import annotations

import math

import numpy as np


def mean_wait_mdc(servers: int, utilisation: float, seconds: float) -> float:
    """Return the exact mean wait in M/D/c, first come first served, in seconds.

    Crommelin's argument (Post Office Electrical Engineers' Journal 25, 1932; Tijms, A First Course in Stochastic
    Models, 2003, section 9.6): with constant service D whoever is served at t has left at t + D, and nobody else has.
    So N(t + D) = max(N(t) - c, 0) + A, with A Poisson of mean c times the utilisation; the stationary law of that chain
    is N's, and Little's law turns the mean number that waits into the mean wait.
    """
    mean = servers * utilisation
    size = servers * 4 + int(40 / (1 - utilisation))
    arrivals = np.array([math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(size)])
    chain = np.zeros((size, size))
    for there in range(size):
        stay = max(there - servers, 0)
        chain[there, stay:] = arrivals[: size - stay]
    chain[:, -1] += 1 - chain.sum(axis=1)  # what lies beyond the last state stays in it
    system = np.vstack([chain.T - np.eye(size), np.ones(size)])
    law = np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0]
    waiting = float(np.maximum(np.arange(size) - servers, 0) @ law)
    return waiting * seconds / mean


def mean_wait_md1(utilisation: float, seconds: float) -> float:
    """Return the mean wait in M/D/1, by Pollaczek and Khinchine."""
    return utilisation * seconds / (2 * (1 - utilisation))


def mean_wait_md1_shared(utilisation: float, seconds: float) -> float:
    """Return the mean of what others cost in M/D/1 with processor sharing: S / (1 - rho) in all, less S."""
    return utilisation * seconds / (1 - utilisation)
