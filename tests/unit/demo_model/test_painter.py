from __future__ import annotations

import torch

from painter import at_times


def test_the_way_back_leads_to_the_latents() -> None:
    """Whoever goes the way that is to be told, for as long as noise was mixed in, is where the picture is."""
    latents = torch.randn(6, 16, 4, 8)
    mixed, sigma, way = at_times(latents)

    assert torch.allclose(mixed + sigma[:, None, None, None] * way, latents, atol=1e-5)
    assert sigma.min() >= 0
    assert sigma.max() <= 1


def test_larger_pictures_learn_under_more_noise() -> None:
    """Of twice the side, every second time lies where fewer than four in ten of the small picture's do."""
    torch.manual_seed(3)
    small, large = (at_times(torch.zeros(4000, 1, side, side))[1] for side in (16, 32))

    assert large.median() > small.quantile(0.6)
