"""Going over all that is stored, for an operator's commands: a worker never does, and its keys should not allow it."""

from consumer.storage.archive.contents import Archive, open_archive
from consumer.storage.archive.index import IndexReport, index_pictures
from consumer.storage.archive.sweep import Sweep, SweepReport
from consumer.storage.archive.unchosen import Survey, Unchosen, UnchosenRule

__all__ = [
    "Archive",
    "IndexReport",
    "Survey",
    "Sweep",
    "SweepReport",
    "Unchosen",
    "UnchosenRule",
    "index_pictures",
    "open_archive",
]
