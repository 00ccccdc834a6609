"""The demo's edition published by `leadart dev`, for the desk to have something to show."""

from collections.abc import Sequence

from consumer.dev.demo.articles import ArticleSave
from consumer.dev.demo.tickets import EditionDesk
from consumer.jobs import Record
from consumer.kafka.cms_client import CmsPublisher


class EditionSeeding:
    """Publishes each article's next save once the one before it has its outcome, as an editor would."""

    def __init__(self, edition: Sequence[ArticleSave], publisher: CmsPublisher) -> None:
        self._desk = EditionDesk(edition)
        self._publisher = publisher

    def take(self, record: Record) -> None:
        """Note an announced record."""
        self._desk.take(record)

    async def publish_due(self) -> None:
        """Publish what is due. Raises `BusError`."""
        for ticket in self._desk.due():
            ticket.published = (await self._publisher.publish(ticket.save.event)).timestamp_ms / 1000
