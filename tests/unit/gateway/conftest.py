"""A gateway in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.gateway_server import ServedGateway, serve_gateway


@pytest.fixture
async def served() -> AsyncIterator[ServedGateway]:
    async with serve_gateway() as gateway:
        yield gateway
