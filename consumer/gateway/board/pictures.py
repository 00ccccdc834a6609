"""Where the files of announced pictures are, by the picture's digest."""

from collections.abc import Iterator, Mapping
from typing import Any

from consumer.jobs import FILE_SUFFIXES
from consumer.kafka.announced import AnnouncedEvent
from schemas import OutcomeKind

ORIGINAL = "original"
"""Name of a picture itself among its files."""

MARK = 12
"""Characters of a file's digest in the name that stays its own."""

Files = dict[str, str]
"""Keys of objects by file name: `original`, `hero-960.webp` and so on."""


class AnnouncedPictures:
    """Every picture that a slot was given, until it is taken from it. Outcomes of an article come in order."""

    def __init__(self) -> None:
        self._files: dict[str, dict[tuple[str, str], Files]] = {}
        self._shown: dict[str, dict[str, set[str]]] = {}

    def find(self, sha256: str) -> Files | None:
        """Return the newest file of each name; none of a picture that is withdrawn everywhere, None if unknown."""
        uses = self._files.get(sha256)
        return None if uses is None else {name: key for files in uses.values() for name, key in files.items()}

    def take(self, article: str, outcome: AnnouncedEvent) -> None:
        """Take what an outcome says."""
        slot = outcome.data.get("slot")
        if outcome.kind == OutcomeKind.READY and isinstance(slot, str):
            for picture in outcome.data.get("pictures") or ():
                self._add(article, slot, picture)
        elif outcome.kind == OutcomeKind.WITHDRAWN:
            self._withdraw(article, slot)

    def forget(self, article: str) -> None:
        """Forget an article: its pictures are unknown then, not withdrawn."""
        for slot, digests in self._shown.pop(article, {}).items():
            for sha256 in digests:
                uses = self._files[sha256]
                del uses[article, slot]
                if not uses:
                    del self._files[sha256]

    def _add(self, article: str, slot: str, picture: Mapping[str, Any]) -> None:
        sha256 = str(picture["sha256"])
        uses = self._files.setdefault(sha256, {})
        uses[article, slot] = {**uses.pop((article, slot), {}), **dict(announced_files(picture))}
        self._shown.setdefault(article, {}).setdefault(slot, set()).add(sha256)

    def _withdraw(self, article: str, slot: object) -> None:
        for each, digests in self._shown.get(article, {}).items():
            if slot in {None, each}:
                for sha256 in digests:
                    self._files[sha256][article, each] = {}


def announced_files(picture: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the key of each file that an outcome lists of a picture."""
    yield ORIGINAL, str(picture["key"])
    for rendition in picture.get("renditions") or ():
        for name in file_names(rendition["name"], rendition["media_type"], rendition["sha256"]):
            yield name, str(rendition["key"])


def file_names(rendition: str, media_type: str, sha256: str) -> tuple[str, str]:
    """Return the names of a rendition's file: one that the next crop takes over, and one that stays its own.

    `hero-960.webp` is the newest of its name, whoever cropped the picture; `hero-960-0f1e2d3c4b5a.webp` is this very
    file, so that a page keeps its crop where another story shows the same picture.
    """
    suffix = FILE_SUFFIXES.get(media_type, "bin")
    return f"{rendition}.{suffix}", f"{rendition}-{sha256[:MARK]}.{suffix}"
