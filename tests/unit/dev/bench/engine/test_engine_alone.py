"""The engine's benchmark on a machine that has torch, diffusers, pydantic and our source, and nothing else of ours."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.bare_python import BarePython

pytestmark = pytest.mark.slow

INSTALLED = ("torch", "diffusers", "transformers", "pydantic")
ABSENT = ("aioboto3", "aiohttp", "aiokafka", "botocore", "dotenv", "peft", "pydantic_settings", "structlog")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> BarePython:
    """A Python with those alone."""
    return BarePython(tmp_path_factory.mktemp("bare"), INSTALLED)


@pytest.mark.parametrize("module", ABSENT)
def test_what_the_bench_must_do_without_is_not_there(bare: BarePython, module: str) -> None:
    """The test's own ground: the worker's libraries cannot be imported, so nothing below can use them."""
    assert f"No module named '{module}'" in bare.run("-c", f"import {module}").stderr


def test_the_engines_process_starts_alone(bare: BarePython) -> None:
    """It reads no settings itself, so it does without what reads them."""
    done = bare.run("-c", "import consumer.engine.runtime.main, consumer.engine.runtime.opening")
    assert done.returncode == 0, done.stderr


ARGUMENTS = ("-m", "consumer.dev.bench.engine", "--random", "tiny", "--device", "cpu", "--threads", "1")


def test_the_bench_runs_alone(bare: BarePython, tmp_path: Path) -> None:
    """From the options to the page, with the kernels and what was left out at its head."""
    asked = ("--shapes", "64x64x2x2.0", "--batches", "2", "--rounds", "1", "--mixed", "2", "--budget", "200")
    done = bare.run(*ARGUMENTS, *asked, "--out", "h200.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "h200.json").read_text())
    assert figures["finished"]
    assert figures["device"]["kernels"] == "plain"
    assert figures["left_out"] == {"GPU busy": "no GPU"}
    assert figures["contests"][0]["contestants"].keys() == {"stock, one by one", "stock, as a batch", "denoiser"}
    assert done.stdout.strip() == (tmp_path / "h200.md").read_text().strip()


def test_killed_in_the_middle_it_leaves_what_was_measured(bare: BarePython, tmp_path: Path) -> None:
    """A lease that ends, or a limit on the time: both files are whole, and say that the run was not through."""
    asked = ("--shapes", "64x64x2x2.0", "--batches", "1", "--rounds", "1000000", "--mixed", "0")
    command = bare.command(*ARGUMENTS, *asked, "--out", str(tmp_path / "h200.json"))
    with subprocess.Popen(command, env=bare.environment, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        assert process.stderr
        rounds = (line for line in process.stderr if "further rounds" in line)
        try:
            for _ in range(3):
                assert next(rounds, "ended by itself") != "ended by itself"
        finally:
            process.kill()
    figures = json.loads((tmp_path / "h200.json").read_text())
    assert not figures["finished"]
    turns = figures["contests"][0]["contestants"]["denoiser"]["seconds_per_picture"]["turns"]
    assert len(turns) >= 3
    assert "ended before it was through" in (tmp_path / "h200.md").read_text()
