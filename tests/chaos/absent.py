"""What a row needs may be missing on a machine; the row then says so instead of being played."""

from __future__ import annotations


class Absent(Exception):
    """A row cannot be played here; the message is the reason."""
