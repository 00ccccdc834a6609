"""A few cells of the matrix, with every test run; `make chaos` plays them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.dev.embedded import KafkaServer, S3Server
from tests.chaos.matrix import Column, rows
from tests.chaos.play import play
from tests.chaos.servers import Servers

CELLS = (
    f"worker_kill:{Column.BEGUN}",
    f"worker_kill:{Column.COMMITTING}",
    f"worker_freeze:{Column.STORED}",
    f"worker_kill:{Column.RENDERING}",
    f"store_kill:{Column.UPLOADING}",
)


@pytest.mark.parametrize("cell", CELLS)
async def test_every_request_gets_one_outcome_whatever_is_struck(
    cell: str, kafka: KafkaServer, s3: S3Server, tmp_path: Path
) -> None:
    """One strike at a named place: each request gets one visible outcome, and every announced picture is there."""
    ((row, (column,)),) = rows(cell)

    result = await play(row, column, Servers(kafka, s3), tmp_path)

    assert result.kept, result
