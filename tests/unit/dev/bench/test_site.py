"""What the other side needs."""

from __future__ import annotations

import pytest

from consumer.dev.bench import site
from consumer.errors import Fatal


def test_missing_faststream_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without FastStream the sentence says what to install."""
    monkeypatch.setattr(site, "find_spec", lambda _name: None)

    with pytest.raises(Fatal, match=r"pip install 'leadart\[bench\]'"):
        site.require_faststream()
