from __future__ import annotations

import pytest

from consumer.errors import Fatal
from consumer.resources import bundled


def test_a_shipped_file_is_found() -> None:
    """The styles are there, in a checkout as in an installed wheel."""
    assert "[default]" in bundled("styles.toml").read_text(encoding="utf-8")


def test_a_file_that_does_not_ship_is_named() -> None:
    """What is missing is fatal, by its name."""
    with pytest.raises(Fatal, match=r"nothing\.toml"):
        bundled("nothing.toml")
