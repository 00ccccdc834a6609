"""Kafka and the store of a stack, their data in a temporary folder or in one that the next start reuses."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from consumer.dev.embedded import KafkaServer, S3Server
from consumer.errors import Fatal
from schemas import Reason

_FILE = "leadart-dev.json"


@dataclass(frozen=True, slots=True)
class StackServers:
    """Both servers, not started yet, and the folder of their data."""

    folder: Path
    kafka: KafkaServer
    s3: S3Server
    kept: bool

    def remember(self) -> None:
        """Write addresses and keys beside kept data, so that a CMS keeps its settings across restarts."""
        if self.kept:
            note = {"kafka": self.kafka.ports, "s3": self.s3.ports, "secret": self.s3.secret_access_key}
            (self.folder / _FILE).write_text(json.dumps(note), encoding="utf-8")


@contextmanager
def open_servers(keep: Path | None) -> Iterator[StackServers]:
    """Yield servers on temporary data, or on those in `keep`, with the same addresses if they are free.

    Raises `Fatal` when `keep` holds something else or is in use.
    """
    if keep is None:
        with TemporaryDirectory(prefix="leadart-", ignore_cleanup_errors=True) as scratch:
            folder = Path(scratch)
            yield StackServers(folder, KafkaServer(folder), S3Server(folder), kept=False)
        return
    with _locked(keep):
        try:
            known: dict[str, Any] = json.loads((keep / _FILE).read_bytes() or b"{}")
        except ValueError as error:
            raise _refused(f"{keep / _FILE} is damaged") from error
        kafka = KafkaServer(keep, known.get("kafka", ()))
        yield StackServers(keep, kafka, S3Server(keep, known.get("s3", ()), known.get("secret")), kept=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Take the folder for this process alone, until the end of the block or of the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / _FILE).exists() and any(folder.iterdir()):
            raise _refused(f"{folder} holds files that are not from leadart dev")
        handle = os.open(folder / _FILE, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise _refused(f"{error.filename or folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _refused(f"{folder} is in use by another leadart dev") from error
        yield
    finally:
        os.close(handle)


def _refused(what: str) -> Fatal:
    return Fatal(Reason.MISCONFIGURED, f"{what}. Name another folder with --keep.")
