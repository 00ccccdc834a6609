"""The broker's jars: fetched once with jgo from a Maven repository, cached, and checked against `kafka.lock`.

`kafka.lock` pins every jar by SHA-256, so only reviewed jars run, whichever mirror served them. jgo alone would only
warn about a wrong checksum.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from consumer.dev.embedded.server import EmbeddedMissing

if TYPE_CHECKING:
    from jgo.maven import MavenContext

# No log4j artifact may stand here: its managed versions drag in kafka-clients 3.9.1, and the broker dies with
# NoSuchMethodError.
ENDPOINT = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"
MIRROR = "LEADART_MAVEN_MIRROR"
"""Environment variable: base address of the Maven repository to fetch from instead of Maven Central."""

_LOCK = Path(__file__).with_name("kafka.lock")
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def filename(self) -> str:
        """Its file name in the cache."""
        return f"{self.artifact}-{self.version}.jar"

    def is_intact(self, path: Path) -> bool:
        """Return whether the file exists and is the locked one."""
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256


def locked() -> list[Jar]:
    """Read the lock."""
    lines = (line.split() for line in _LOCK.read_text().splitlines())
    return [Jar(sha256, *coordinate.split(":")) for sha256, coordinate in lines]


def cache_folder() -> Path:
    """Return the folder of the jars, shared by all checkouts: `leadart/jars` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leadart" / "jars"


def ensure_jars() -> tuple[list[Path], int]:
    """Return the class path, every jar verified, and the number of jars fetched; needs no network if all are cached.

    Raises `EmbeddedMissing`, naming what to do, when a jar is missing and cannot be fetched or is not the locked one.
    """
    folder = cache_folder()
    missing = [jar for jar in locked() if not jar.is_intact(folder / jar.filename)]
    if missing:
        _fetch(missing, folder)
    return [folder / jar.filename for jar in locked()], len(missing)


def resolve_lock() -> str:
    """Resolve `ENDPOINT` and return the text of a new lock: for maintainers, when the broker's version changes."""
    with TemporaryDirectory() as scratch:
        context = _context(Path(scratch))
        coordinates = [context.create_dependency(part) for part in ENDPOINT.split("+")]
        inputs, transitive = context.resolver.resolve(coordinates)
        artifacts = [d.artifact for d in [*inputs, *(d for d in transitive if d.scope in {"compile", "runtime"})]]
        lines = [
            f"{hashlib.sha256(a.resolve().read_bytes()).hexdigest()} {a.groupId}:{a.artifactId}:{a.version}"
            for a in artifacts
        ]
    return "\n".join(sorted(lines, key=lambda line: line.split()[1])) + "\n"


def _fetch(jars: list[Jar], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as scratch, ThreadPoolExecutor(8) as pool:
        context = _context(Path(scratch))
        # Moved into place only when verified: neither a kill nor a concurrent fetch leaves a partial jar.
        for jar, path in zip(jars, pool.map(lambda jar: _download(context, jar), jars), strict=True):
            path.replace(folder / jar.filename)


def _download(context: MavenContext, jar: Jar) -> Path:
    import requests  # noqa: PLC0415 - comes with jgo, in the embedded extra

    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    problem: Exception | str = ""
    for _ in range(_ATTEMPTS):
        try:
            path = Path(artifact.resolve())
        except (requests.RequestException, RuntimeError) as error:  # RuntimeError: jgo's "not found"
            problem = error
            continue
        if jar.is_intact(path):
            return path
        path.unlink()
        problem = "its SHA-256 is not the one in kafka.lock"
    raise EmbeddedMissing(
        f"{jar.filename}, part of the embedded Kafka broker, could not be fetched: {problem}. Run "
        f"`python -m consumer.dev.embedded fetch` once while online, or set {MIRROR} to your Maven mirror, or copy "
        f"{cache_folder()} from a machine that has it.",
    )


def _context(scratch: Path) -> MavenContext:
    try:
        from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - in the embedded extra
        from jgo.maven import MavenContext  # noqa: PLC0415 - in the embedded extra
    except ImportError as error:
        raise EmbeddedMissing from error
    repository = os.environ.get(MIRROR) or MAVEN_CENTRAL_URL
    return MavenContext(repo_cache=scratch, remote_repos={"repository": repository.rstrip("/")})
