"""The engine's benchmark on a machine that has torch, diffusers, pydantic and our source, and nothing else of ours."""

from __future__ import annotations

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
