"""Changes of the key file: one process at a time, each seen whole or not at all."""

import fcntl
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from consumer.errors import Fatal
from consumer.gateway.access.key_file import ApiKey, KeyFile, read_keys, write_keys
from schemas import Reason

LOCK_SECONDS = 10.0


def change_keys(file: Path, change: Callable[[KeyFile], KeyFile]) -> None:
    """Read the keys, change them and write them, while no other change does. Raises `Fatal`."""
    file = file.resolve()
    with _locked(file):
        write_keys(file, change(read_keys(file)))


def added(keys: KeyFile, key: ApiKey) -> KeyFile:
    """Return the keys with another."""
    return KeyFile(keys=(*keys.keys, key))


def revoked(keys: KeyFile, key_ids: Collection[str]) -> KeyFile:
    """Return the keys without these. Raises `Fatal` for an id that there is not."""
    for key_id in key_ids:
        key_of(keys, key_id)
    return KeyFile(keys=tuple(key for key in keys.keys if key.id not in key_ids))


def rotated(keys: KeyFile, key_id: str, successor: ApiKey, ends: datetime) -> KeyFile:
    """Return the keys with a successor of one, which itself ends then at the latest. Raises `Fatal`."""
    old = key_of(keys, key_id)
    ending = old.model_copy(update={"expires": min(filter(None, (ends, old.expires)))})
    return KeyFile(keys=(*(ending if key is old else key for key in keys.keys), successor))


def key_of(keys: KeyFile, key_id: str) -> ApiKey:
    """Return the key of an id. Raises `Fatal` if there is none."""
    for key in keys.keys:
        if key.id == key_id:
            return key
    raise Fatal(Reason.MISCONFIGURED, f"There is no key {key_id[:40]!a}: `leadart keys list` shows their ids.")


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold the lock that lies beside the file. Raises `Fatal` if another change holds it for too long."""
    lock = file.with_name(f".{file.name}.lock")
    until = time.monotonic() + LOCK_SECONDS
    with lock.open("w") as held:
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    message = f"Another `leadart keys` holds {lock} for {LOCK_SECONDS:.0f} s: end it, and try again."
                    raise Fatal(Reason.MISCONFIGURED, message) from None
                time.sleep(0.05)
        yield
