"""What is done to a lane itself: a batch that no worker can hold, and records that vanish before they are read.

As in `strikes`, each strike heals what it hit, then returns.
"""

from __future__ import annotations

import asyncio
import re
import resource
import signal
from pathlib import Path
from typing import Final

from consumer.delivery.ports import OutgoingRecord, Partition
from consumer.kafka.admin_client import open_admin
from consumer.kafka.partition_reader import read_spans
from consumer.telemetry.names import MetricName
from schemas import names
from tests.chaos.scene import Scene
from tests.support.batches import MIB, bomb, produce
from tests.support.harness import WorkerProcess
from tests.support.lanes import put

ROOM_BYTES: Final = 512 * MIB
"""What a worker may take beyond what it has: less than the batch unpacks to."""

BATCH_MIB: Final = 900
QUIET_SECONDS: Final = 0.6
"""After this long no fetch of a stopped worker is waiting at the broker, which would answer it with new records."""

VANISHING: Final = 5


async def bomb_lane(scene: Scene) -> None:
    """A batch of 27 KB that unpacks to 900 MB lies in each partition; no worker may take more than 512 MiB for it."""
    for worker in scene.fleet.workers:
        _limit_memory(worker)
    lane, shards = scene.site.topic(names.REQUESTED), range(scene.site.settings.topics.partitions)
    data, servers = bomb(BATCH_MIB), scene.site.settings.kafka.bootstrap_servers
    at = {(shard, await produce(servers, Partition(lane, shard), data)) for shard in shards}
    scene.release()
    await scene.desk.until(lambda: at <= _dead_letters(scene))


async def delete_unread(scene: Scene) -> None:
    """While all workers stand still (SIGSTOP), records are written to a retry lane and deleted before they are read."""
    settings = scene.site.settings
    lane, shards = scene.site.topic(names.RETRY_1H), range(settings.topics.partitions)
    for worker in scene.fleet.workers:
        worker.signal(signal.SIGSTOP)
    await scene.pause(QUIET_SECONDS)
    await put(
        scene.site, [OutgoingRecord(lane, shard, b"gone", b"{}", ()) for shard in shards for _ in range(VANISHING)]
    )
    async with open_admin(settings.kafka) as admin:
        for partition, span in (await read_spans(settings.kafka, [Partition(lane, shard) for shard in shards])).items():
            await admin.delete_records(partition, span.stop)
    for worker in scene.fleet.workers:
        worker.signal(signal.SIGCONT)
    scene.release()
    await _counted(scene, VANISHING * len(shards))


def _limit_memory(worker: WorkerProcess) -> None:
    status = Path(f"/proc/{worker.process.pid}/status").read_text(encoding="utf-8")
    (kilobytes,) = re.findall(r"^VmSize:\s+(\d+) kB", status, re.MULTILINE)
    most = int(kilobytes) * 1024 + ROOM_BYTES
    resource.prlimit(worker.process.pid, resource.RLIMIT_AS, (most, most))


def _dead_letters(scene: Scene) -> set[tuple[int, int]]:
    """Return partition and offset of each record of the lane of requests that became a dead letter."""
    letters = [dict(record.headers) for record in scene.desk.records(names.DEAD_LETTER)]
    return {(int(letter["leadart-partition"]), int(letter["leadart-offset"])) for letter in letters}


async def _counted(scene: Scene, wanted: int) -> None:
    """Wait until the workers have counted so many records as deleted unread."""
    async with asyncio.timeout(60):
        while await asyncio.to_thread(_deleted, scene) < wanted:
            await scene.pause(0.2)


def _deleted(scene: Scene) -> float:
    pages = [worker.get("/metrics")[1] for worker in scene.fleet.workers]
    counts = [re.findall(rf"^{MetricName.DELETED_UNREAD}\{{.*\}} (.+)$", page, re.MULTILINE) for page in pages]
    return sum(float(count) for page in counts for count in page)
