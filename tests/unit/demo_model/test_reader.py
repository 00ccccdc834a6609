from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

import reader
from album import Album
from reader import JUDGED, train_reader
from scenes import CHOICES, draw, random_scene


class Stopped(Exception):
    """Somebody ended the training."""


@pytest.fixture(scope="module")
def album() -> Album:
    rng = Random(6)
    scenes = [random_scene(rng) for _ in range(12)]
    return Album(np.stack([np.asarray(draw(scene, 64, 64)) for scene in scenes]), scenes)


def test_a_training_goes_on_where_it_was_stopped(album: Album, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the last epoch that was told, not from the beginning; a finished one is read from its file."""
    monkeypatch.setattr(reader, "_EPOCHS", 2)
    torch.set_num_threads(1)
    told: list[str] = []

    def stop(text: str) -> None:
        told.append(text)
        raise Stopped

    with pytest.raises(Stopped):
        train_reader([album], tmp_path / "reader.pt", stop)
    trained = train_reader([album], tmp_path / "reader.pt", told.append)
    again = train_reader([album], tmp_path / "reader.pt", told.append)

    assert [text.split(" loss")[0] for text in told] == ["reader epoch 1 of 2", "reader epoch 2 of 2"]
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), again.parameters(), strict=True))


def test_mirroring_exchanges_left_and_right() -> None:
    """The picture is turned over and its place with it; the other attributes stay."""
    truths = {name: torch.zeros(3, dtype=torch.long) for name in JUDGED} | {"place": torch.arange(3)}
    pictures = torch.arange(4.0).expand(3, 3, 2, 4)
    turned, mirrored = reader._mirrored(pictures, truths)

    assert turned[0, 0, 0].tolist() == [3, 2, 1, 0]
    assert [CHOICES["place"][index] for index in mirrored["place"]] == ["right", "centre", "left"]
    assert torch.equal(mirrored["subject"], truths["subject"])
