from __future__ import annotations

from typing import cast

from consumer.dev.demo.articles import load_edition
from consumer.dev.demo.seeding import EditionSeeding
from consumer.jobs import Record
from consumer.kafka.cms_client import CmsPublisher
from schemas import names
from schemas.cloudevents import Event, write


class _Publisher:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.published: list[str] = []

    async def publish(self, event: Event) -> Record:
        self.published.append(event.id)
        headers, value = write(event)
        return Record(names.REQUESTED, 0, len(self.published), b"a", value, tuple(headers), 0)


def _outcome(request_id: str) -> Record:
    event = Event(
        id=f"outcome of {request_id}", source="/leadart", type=names.IMAGE_READY, extensions={"causationid": request_id}
    )
    headers, value = write(event)
    return Record(names.OUTCOME, 0, 0, b"a", value, tuple(headers), 0)


async def test_each_article_is_saved_again_once_its_save_is_answered() -> None:
    """First one save of each article; an article's second follows the outcome of its first; nothing twice."""
    edition, publisher = load_edition(), _Publisher()
    seeding = EditionSeeding(edition, cast("CmsPublisher", publisher))
    await seeding.publish_due()
    first = list(publisher.published)
    await seeding.publish_due()
    assert publisher.published == first
    assert len(first) == len({save.key for save in edition}) < len(edition)

    for _ in edition:
        for request_id in publisher.published:
            seeding.take(_outcome(request_id))
        await seeding.publish_due()
    assert sorted(publisher.published) == sorted(save.event.id for save in edition)
