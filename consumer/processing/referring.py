"""Who shows a picture is written down before it is announced, so that it stays until the last of them is withdrawn."""

from consumer.jobs import Job, StoredPicture, Use
from consumer.ports import Store
from consumer.processing.store_outage import Operation, StoreOutage


def use_of(job: Job) -> Use:
    """Return where the pictures of a job are shown."""
    return Use(job.request.article.id, job.request.slot)


async def referred(store: Store, outage: StoreOutage, picture: StoredPicture, use: Use) -> bool:
    """Write down that the picture is shown there, unless it was painted for it; return whether it is still stored.

    Raises `WithdrawnMeanwhile`. Waits without bound for a store that is down.
    """
    if picture.painted_for == use:
        return True
    return await outage.retry_until_up(Operation.REFER, lambda: store.refer(picture, use))
