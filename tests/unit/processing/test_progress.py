"""Progress events of one job."""

from __future__ import annotations

import pytest

from consumer.jobs import Job, Lane, Record
from consumer.processing.progress import JobProgressReporter
from schemas import ImageProgress, ImageRequested, names
from schemas.cloudevents import Event


class Feed:
    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.published: list[ImageProgress] = []

    def publish(self, job: Job, progress: ImageProgress) -> None:
        assert job.event.id == progress.request_id
        self.published.append(progress)

    @property
    def stages(self) -> list[tuple[str, int | None]]:
        return [(progress.stage, progress.step) for progress in self.published]


def job() -> Job:
    data = {"article": {"id": "a-1", "revision": 1, "headline": "Storm"}}
    event = Event(id="r-1", source="/cms", type=names.IMAGE_REQUESTED, data=data)
    return Job(event, ImageRequested.model_validate(data), Record("t", 0, 0, b"a-1", b"", (), 0), Lane.LIVE)


def test_steps_are_thinned_out_and_the_last_is_published() -> None:
    """A subscriber sees the picture end; it need not see every step of a fast one."""
    feed = Feed()
    reporter = JobProgressReporter(feed)
    reporter.accepted(job())
    reporter.started(0)
    for done in range(1, 5):
        reporter.step(0, done, 4)
    reporter.storing(0)

    assert feed.stages == [("accepted", None), ("started", None), ("step", 1), ("step", 4), ("storing", None)]


def test_every_variant_has_steps() -> None:
    """Pictures that take their steps together are told together, not the first one alone."""
    feed = Feed()
    reporter = JobProgressReporter(feed)
    reporter.accepted(job())
    for done in range(1, 5):
        for index in range(3):
            reporter.step(index, done, 4)

    steps = [(progress.index, progress.step) for progress in feed.published if progress.stage == "step"]
    assert steps == [(0, 1), (1, 1), (2, 1), (0, 4), (1, 4), (2, 4)]


@pytest.mark.parametrize(("enabled", "accepted"), [(True, False), (False, True)])
def test_nothing_is_published_before_the_request_is_valid_or_when_switched_off(
    *, enabled: bool, accepted: bool
) -> None:
    """Whether a picture is being painted is known all the same."""
    feed = Feed(enabled=enabled)
    reporter = JobProgressReporter(feed)
    if accepted:
        reporter.accepted(job())
    reporter.started(0)
    begun = reporter.painting
    reporter.failed()

    assert (begun, reporter.painting, feed.published) == (True, False, [])
