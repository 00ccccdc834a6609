from __future__ import annotations

from pathlib import Path

import pytest

from consumer.dev.bench.worker import build_model
from consumer.errors import Fatal

pytestmark = pytest.mark.slow


async def test_a_model_that_cannot_be_built_is_a_clear_error(tmp_path: Path) -> None:
    """The error names the extra to install and shows the end of what the builder said."""
    in_the_way = tmp_path / "file"
    in_the_way.touch()

    with pytest.raises(Fatal, match=r"leadart\[engine\]") as error:
        await build_model(in_the_way / "model", "consumer.engine.runtime.tiny")
    assert "Error" in error.value.message
