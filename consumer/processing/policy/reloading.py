"""The policy in force: read again when its files change, or when an operator asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from consumer.errors import Fatal
from consumer.processing.policy.policy_file import load_policy
from consumer.processing.policy.rules import PAINT_EVERYTHING
from consumer.processing.styles import Styles

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 3.0
"""How often the files are looked at: a look costs microseconds, and an editor saves and waits."""

_Stamp = tuple[int, int, int] | None


class PolicyInForce:
    """The policy of a running worker. A file with a mistake leaves the one before in force; the log says why.

    Without a `path` the site has no policy. Setting `asked` reads the files at once, changed or not. Raises `Fatal` for
    a file that cannot be read at the start: a worker does not start without the rules that its site wants.
    """

    def __init__(
        self,
        path: Path | None,
        styles: Styles,
        look_seconds: float = LOOK_SECONDS,
        asked: asyncio.Event | None = None,
    ) -> None:
        self._path = path
        self._styles = styles
        self._look_seconds = look_seconds
        self._asked = asked or asyncio.Event()
        self._refused = ""
        self.current = PAINT_EVERYTHING if path is None else load_policy(path, styles)
        self._seen: Mapping[Path, _Stamp] = _stamps(self.current.files)

    def problem(self) -> str | None:
        """Return what an operator has to correct; None if the files in force are those on disk."""
        return f"a policy file has mistakes, so {self.current.version} stays in force" if self._refused else None

    async def run(self) -> None:
        """Keep the policy up to date until cancelled."""
        if self._path is None:
            return
        log.info("policy_loaded", version=self.current.version, rules=len(self.current.rules))
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await self._asked.wait()
            seen = await asyncio.to_thread(_stamps, self.current.files)
            # A refused file is tried at every look: a list that it names may have been missing.
            if self._asked.is_set() or self._refused or seen != self._seen:
                self._asked.clear()
                await self._reload(self._path, seen)

    async def _reload(self, path: Path, seen: Mapping[Path, _Stamp]) -> None:
        """Read the files; `seen` are the stamps from before, so that a change meanwhile is seen at the next look."""
        before = self.current.version
        try:
            policy = await asyncio.to_thread(load_policy, path, self._styles)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a file, the worker has rules to work by
            self._refuse(error.message if isinstance(error, Fatal) else repr(error))
            self._seen = seen
            return
        after = _stamps(policy.files)
        self.current, self._refused, self._seen = policy, "", {file: seen.get(file, after[file]) for file in after}
        log.info("policy_loaded", version=policy.version, before=before, rules=len(policy.rules))

    def _refuse(self, message: str) -> None:
        if message != self._refused:
            log.error("policy_refused", in_force=self.current.version, error=message)
        self._refused = message


def _stamps(files: Sequence[Path]) -> dict[Path, _Stamp]:
    """Return what shows that a file was written or replaced; None for one that is not there."""
    return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
