from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from autoencoder import build_autoencoder, to_tensor
from codec import Basis, open_basis, read_encoder
from scenes import draw, random_scene


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.uint8]:
    rng = Random(0)
    return np.stack([np.asarray(draw(random_scene(rng), 64, 64)) for _ in range(40)])


@pytest.fixture
def basis(tmp_path: Path, pictures: NDArray[np.uint8]) -> Basis:
    return open_basis(tmp_path / "basis.npz", pictures)


def test_the_autoencoders_own_layers_compute_the_projection(basis: Basis, pictures: NDArray[np.uint8]) -> None:
    """Encoding with the written weights gives the principal components, to a hundredth of their deviation."""
    with torch.no_grad():
        encoded = build_autoencoder(basis).encode(to_tensor(pictures[:4])).latent_dist.mode().numpy()

    assert np.abs(encoded - basis.project(pictures[:4])).max() < 0.01 * encoded.std() * 3


def test_little_is_lost(basis: Basis, pictures: NDArray[np.uint8]) -> None:
    """What the latents stand for is within 24 dB of the pictures."""
    error = basis.restore(basis.project(pictures)).astype(np.float32) - pictures

    assert 10 * np.log10(255**2 / np.mean(error**2)) > 24


def test_a_basis_is_found_once(basis: Basis, pictures: NDArray[np.uint8], tmp_path: Path) -> None:
    """A file that is there decides, whatever the pictures are."""
    again = open_basis(tmp_path / "basis.npz", pictures[:1])

    assert np.array_equal(again.axes, basis.axes)


def test_a_basis_is_read_back_out_of_an_encoder(basis: Basis, pictures: NDArray[np.uint8]) -> None:
    """A finished model's own weights give the same latents, to a hundredth of what they hold."""
    found = read_encoder(build_autoencoder(basis).encoder)
    latents = basis.project(pictures)

    assert np.abs(found.project(pictures) - latents).max() < 0.01 * latents.std() * 3
    assert np.abs(found.axes.T @ found.axes - np.eye(16)).max() < 0.01
