"""The temporary folder that torch writes to as soon as it is imported."""

import tempfile

from consumer.errors import Fatal
from schemas import Reason


def require_temporary_folder() -> str:
    """Return the folder that Python chose. Raises `Fatal` when none is writable, as in a read-only container."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError as error:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"The engine needs a temporary folder, and none can be written ({error.strerror}): mount one at /tmp, or "
            "set TMPDIR.",
        ) from error
