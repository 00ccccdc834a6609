"""The work on one record, as its owner can end it."""

import asyncio
from typing import NamedTuple

from consumer.processing.progress import ProgressReporter


class RequestTask(NamedTuple):
    """The task that handles one record, and what knows whether a picture of it is being painted."""

    task: asyncio.Task[None]
    progress: ProgressReporter

    @property
    def painting(self) -> bool:
        """Whether a picture is being painted, or was in this attempt."""
        return self.progress.painting

    def cancel(self, *, running: bool) -> None:
        """Cancel the task; one whose picture is being painted only if `running`."""
        if running or not self.painting:
            self.task.cancel()
