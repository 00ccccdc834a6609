"""The folder of a run: replaces what an earlier run left there, and touches no other files."""

import re
from pathlib import Path

from consumer.errors import Fatal
from schemas import Reason

_OURS = frozenset({"index.html", "pictures", "events.jsonl", "worker.log", "article.json", "leadart.env"})
_PICTURE = re.compile(r"[0-9a-f]{64}\.[a-z]+")


def make_room(folder: Path) -> None:
    """Create the folder. An earlier run's page and pictures stay until the new page replaces them.

    Raises `Fatal` when it cannot be created, or holds files that are not from a run.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        seen = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
        if strangers := sorted(seen - _OURS):
            raise _refused(f"{folder} holds {strangers[0]}, which is not from the demo")
        (folder / "pictures").mkdir(exist_ok=True)
        for name in ("events.jsonl", "worker.log"):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _refused(f"{error.filename or folder}: {error.strerror}") from error


def lay_out(folder: Path, page: str) -> None:
    """Write the page and delete an earlier run's pictures that it does not show."""
    (folder / "index.html").write_text(page, encoding="utf-8")
    for picture in (folder / "pictures").iterdir():
        if _PICTURE.fullmatch(picture.name) and picture.name not in page:
            picture.unlink()


def _refused(what: str) -> Fatal:
    return Fatal(Reason.MISCONFIGURED, f"{what}. Name another folder with --out.")
