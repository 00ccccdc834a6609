"""Three Kafka nodes, each broker and controller: what a single embedded one cannot show is the loss of one."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path
from uuid import uuid4

from consumer.dev.embedded.jars import ensure_jars
from consumer.dev.embedded.kafka import _JVM_FLAGS, KafkaServer, _java
from consumer.kafka.admin_client import open_admin
from consumer.settings import KafkaSettings

NODES = 3
FORMAT_SECONDS = 120.0
WHOLE_SECONDS = 90.0

REPLICATED = """\
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
replica.lag.time.max.ms=5000
"""


class Node(KafkaServer):
    """One of three; `voters` and `cluster_id` are known once all have their ports."""

    voters: str
    cluster_id: str

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder / f"node-{number}")
        self.number = number

    @property
    def voter(self) -> str:
        """How the others find its controller."""
        return f"{self.number}@127.0.0.1:{self._controller_port}"

    def _properties(self) -> str:
        text = re.sub(r"^node\.id=.*$", f"node.id={self.number}", super()._properties(), flags=re.MULTILINE)
        # Of two lines with one name Kafka takes the later.
        return f"{text}controller.quorum.voters={self.voters}\n{REPLICATED}"

    def _command(self) -> tuple[list[str], dict[str, str]]:
        java = [_java(), *_JVM_FLAGS]
        environment = {"CLASSPATH": os.pathsep.join(str(jar) for jar in ensure_jars()[0])}
        config = self.folder / "kafka.properties"
        config.write_text(self._properties())
        if not (self._data / "meta.properties").exists():
            tool = [
                *java,
                "kafka.tools.StorageTool",
                "format",
                f"--cluster-id={self.cluster_id}",
                "--config",
                str(config),
            ]
            subprocess.run(  # noqa: S603 - our own command line
                tool, env=os.environ | environment, check=True, capture_output=True, timeout=FORMAT_SECONDS
            )
        # Without the single node's fencing controller: two others are there to see that a broker is gone.
        return [*java, "kafka.Kafka", str(config)], environment


class Cluster:
    """The three of them."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [Node(folder, number) for number in range(1, NODES + 1)]
        cluster_id = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        for node in self.nodes:
            node.voters = ",".join(other.voter for other in self.nodes)
            node.cluster_id = cluster_id

    @property
    def bootstrap_servers(self) -> str:
        """All three."""
        return ",".join(node.bootstrap_servers for node in self.nodes)

    async def start(self) -> None:
        """Start those that do not run and wait until every replica is in sync again."""
        await asyncio.gather(*[asyncio.to_thread(node.start) for node in self.nodes])
        async with asyncio.timeout(WHOLE_SECONDS):
            while not await self._whole():
                await asyncio.sleep(0.5)

    def stop(self) -> None:
        """End all at once: one by one, the last two would wait for a majority."""
        for node in self.nodes:
            node.kill()

    async def _whole(self) -> bool:
        settings = KafkaSettings(bootstrap_servers=self.bootstrap_servers)
        async with open_admin(settings) as admin:
            brokers = await admin.client.describe_cluster()
            topics = await admin.client.describe_topics()
        in_sync = all(len(partition["isr"]) >= NODES for topic in topics for partition in topic["partitions"])
        return len(brokers["brokers"]) == NODES and in_sync
