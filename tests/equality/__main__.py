"""Measure both on the tiny model and write docs/benchmarks/equality.md: `make equality`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from consumer.dev.bench.machine import machine
from consumer.engine.runtime.model import Model, load_pipeline
from consumer.engine.runtime.tiny import build_tiny_model
from consumer.settings import EngineSettings
from tests.equality.latents import latent_rows, picture_rows
from tests.equality.report import document
from tests.equality.shortage import shortage_rows

TARGET = Path("docs/benchmarks/equality.md")


def main(every: int) -> None:
    """Measure, making memory run out at every `every`-th operation, and write the document."""
    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "tiny"
        build_tiny_model(folder)
        full = Model(load_pipeline(folder, cpu), cpu, EngineSettings())
        half = Model(load_pipeline(folder, cpu).to(torch.bfloat16), cpu, EngineSettings())
        latents, pictures = latent_rows(full), picture_rows(full, half)
        shortage = shortage_rows(full, every)
    TARGET.write_text(document(machine(), latents, pictures, shortage, every), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
