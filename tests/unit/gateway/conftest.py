"""A gateway in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.gateway import GatewayBench, open_bench
from tests.support.gateway_server import ServedGateway, serve_gateway


@pytest.fixture
async def served() -> AsyncIterator[ServedGateway]:
    async with serve_gateway() as gateway:
        yield gateway


@pytest.fixture
async def bench() -> AsyncIterator[GatewayBench]:
    async with open_bench() as opened:
        yield opened
