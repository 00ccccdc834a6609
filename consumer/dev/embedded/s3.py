"""SeaweedFS (`weed mini`): an S3 server in one process."""

import secrets
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from pydantic import HttpUrl, SecretStr

from consumer.dev.embedded.s3_probe import BUCKET, problem_of
from consumer.dev.embedded.server import EmbeddedMissing, Server, answers_ok, are_free, free_ports
from consumer.settings import StorageSettings

# Its parts find each other by "gRPC port = HTTP port + 10000"; the admin worker ignores the flag that changes this.
_GRPC_OFFSET = 10_000
_PROBE_SECONDS = 5
"""For one try: a write that comes too early is answered only after up to twenty seconds."""

_FLAGS = {
    # Relative to the working folder: a socket's path may have 107 bytes, and in /tmp it would stay forever.
    "s3.localSocket": "s3.sock",
    "filer.localSocket": "filer.sock",
    # A master that resumes its log is late to lead, and refuses writes for up to 15 s. Nothing in that log is
    # missed: the one volume server reports what there is.
    "master.resumeState": "false",
    "master.telemetry": "false",
    "admin.ui": "false",
    "webdav": "false",
    "s3.port.iceberg": 0,
    "s3.port.lance": 0,
    "s3.autoCreateBucket": "false",
    "volume.preStopSeconds": 0,
    # Each bucket takes a volume, and the default allows only as many as would fill the free disk: after some
    # sixty buckets, a day of `leadart dev` or one run of the tests, nothing could be written.
    "volume.max": 1_000,
}


class S3Server(Server):
    """An S3 server with one pair of keys (default: random); anonymous access only where a bucket policy grants it."""

    def __init__(self, folder: Path, ports: Sequence[int] = (), secret: str | None = None) -> None:
        super().__init__(folder, "s3")
        self.access_key_id = "leadart"
        self.secret_access_key = secret or secrets.token_urlsafe(24)
        if ports and are_free([port + offset for port in ports for offset in (0, _GRPC_OFFSET)]):
            self._port, *self._inner_ports = ports

    def _choose_ports(self) -> None:
        self._port, *self._inner_ports = free_ports(5, also=_GRPC_OFFSET)

    @property
    def ports(self) -> list[int]:
        """What a later server on the same data can be given as `ports`, to be found where this one was."""
        return [self._port, *self._inner_ports]

    @property
    def endpoint_url(self) -> str:
        """Address for clients, fixed for the server's life."""
        return f"http://127.0.0.1:{self._port}"

    def _command(self) -> tuple[list[str], dict[str, str]]:
        data = self.folder / "s3-data"
        data.mkdir(parents=True, exist_ok=True)
        master, volume, filer, admin = self._inner_ports
        flags = {
            "dir": data,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3.port": self._port,
            "master.port": master,
            "volume.port": volume,
            "filer.port": filer,
            "admin.port": admin,
            **_FLAGS,
        }
        keys = {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}
        return [_weed(), "mini", *(f"-{name}={value}" for name, value in flags.items())], keys

    def _answers(self) -> bool:
        if not answers_ok(f"127.0.0.1:{self._port}", "/healthz"):
            return False
        self._obstacle = problem_of(
            StorageSettings(
                endpoint_url=HttpUrl(self.endpoint_url),
                bucket=BUCKET,
                access_key_id=self.access_key_id,
                secret_access_key=SecretStr(self.secret_access_key),
                timeout_seconds=_PROBE_SECONDS,
            )
        )
        return self._obstacle is None


def _weed() -> str:
    path = Path(sysconfig.get_path("scripts")) / "weed"
    if not path.exists():
        raise EmbeddedMissing
    return str(path)
