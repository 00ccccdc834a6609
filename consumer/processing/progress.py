"""Progress of a job: what its stages report, and the progress events made of it."""

from typing import Protocol

from consumer.jobs import Job
from consumer.processing.step_budget import StepBudget, TakenStep
from schemas import ArticleRevision, ImageProgress


class ProgressReporter:
    """What the stages report a job's progress to; this one ignores it. `painting` while a picture is at the engine."""

    painting = False

    def accepted(self, job: Job) -> None:
        """The request is valid."""

    def started(self, index: int) -> None:
        """The picture is at the engine."""

    def step(self, index: int, done: int, of: int) -> None:
        """A denoising step of the picture is done, perhaps on behalf of another job."""

    def storing(self, index: int) -> None:
        """The picture is painted and on its way to the store."""

    def failed(self) -> None:
        """The attempt failed: nothing is being painted. Another may follow."""


class ProgressFeed(Protocol):
    """Where progress events go."""

    @property
    def enabled(self) -> bool:
        """False when progress is not to be published."""

    def publish(self, job: Job, progress: ImageProgress) -> None:
        """Publish an event some time later, or drop it; never waits."""


class JobProgressReporter(ProgressReporter):
    """Publishes one job's progress events to a feed."""

    def __init__(self, feed: ProgressFeed) -> None:
        self._feed = feed
        self._job: Job | None = None
        self._steps = StepBudget()

    def accepted(self, job: Job) -> None:
        """Publish that the request is valid; before this, nothing is published."""
        self._job = job
        self._publish(stage="accepted")

    def started(self, index: int) -> None:
        """Publish that the picture is at the engine."""
        self.painting = True
        self._publish(stage="started", index=index)

    def step(self, index: int, done: int, of: int) -> None:
        """Publish steps of this and other pictures, as the job's budget allows."""
        self.painting = True
        for step in self._steps.take(TakenStep(index, done, of)):
            self._publish(stage="step", index=step.index, step=step.done, of=step.of)

    def storing(self, index: int) -> None:
        """Publish that the picture is on its way to the store."""
        self._steps.drop(index)
        self._publish(stage="storing", index=index)

    def failed(self) -> None:
        """Publish nothing: another attempt may follow."""
        self._steps.clear()
        self.painting = False

    def _publish(self, **fields: object) -> None:
        job = self._job
        if job is None or not self._feed.enabled:
            return
        article = ArticleRevision(id=job.request.article.id, revision=job.request.article.revision)
        known = {"request_id": job.event.id, "article": article, "slot": job.request.slot}
        self._feed.publish(job, ImageProgress.model_validate(known | fields))
