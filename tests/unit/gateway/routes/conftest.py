"""A gateway for the tests of its endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.gateway import GatewayBench, open_bench


@pytest.fixture
async def bench() -> AsyncIterator[GatewayBench]:
    async with open_bench() as opened:
        yield opened
