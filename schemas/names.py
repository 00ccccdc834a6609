"""Names on the bus: event types, their schemas, topics. They never change."""

from typing import Final

TYPE_PREFIX: Final = "org.leadart.article.image-"
IMAGE_REQUESTED: Final = "org.leadart.article.image-requested.v1"
IMAGE_RECROP_REQUESTED: Final = "org.leadart.article.image-recrop-requested.v1"
IMAGE_CHOSEN: Final = "org.leadart.article.image-chosen.v1"
IMAGE_APPROVED: Final = "org.leadart.article.image-approved.v1"
ARTICLE_WITHDRAWN: Final = "org.leadart.article.withdrawn.v1"
ARTICLE_RESTORED: Final = "org.leadart.article.restored.v1"
IMAGE_READY: Final = "org.leadart.article.image-ready.v1"
IMAGE_FAILED: Final = "org.leadart.article.image-failed.v1"
IMAGE_SUPERSEDED: Final = "org.leadart.article.image-superseded.v1"
IMAGE_EXPIRED: Final = "org.leadart.article.image-expired.v1"
IMAGE_DECLINED: Final = "org.leadart.article.image-declined.v1"
IMAGE_HELD: Final = "org.leadart.article.image-held.v1"
IMAGE_WITHDRAWN: Final = "org.leadart.article.image-withdrawn.v1"
IMAGE_CANCELLED: Final = "org.leadart.article.image-cancelled.v1"
IMAGE_PROGRESS: Final = "org.leadart.article.image-progress.v1"

REQUESTS: Final = (
    IMAGE_REQUESTED,
    IMAGE_RECROP_REQUESTED,
    IMAGE_CHOSEN,
    IMAGE_APPROVED,
    ARTICLE_WITHDRAWN,
    ARTICLE_RESTORED,
)
"""The types that a CMS publishes: requests for pictures, and editorial decisions about them."""

REQUESTED: Final = "article-image-requested"
RETRY_1M: Final = "article-image-retry-1m"
RETRY_10M: Final = "article-image-retry-10m"
RETRY_1H: Final = "article-image-retry-1h"
BACKFILL: Final = "article-image-backfill"
OUTCOME: Final = "article-image-outcome"
PROGRESS: Final = "article-image-progress"
DEAD_LETTER: Final = "article-image-dead-letter"
HEADS: Final = "article-image-heads"
PREFERENCES: Final = "article-image-preferences"

EXTERNAL_CHOICE: Final = "external_choice"
"""The rule of a declined outcome that says: the slot has a picture of the site's own, as an editor declared."""


def dataschema(event_type: str) -> str:
    """Return the CloudEvents `dataschema` of an event type: the `$id` of its file in `schemas/events/`."""
    return f"https://leadart.org/schemas/{event_type.removeprefix('org.leadart.')}.json"
