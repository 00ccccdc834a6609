"""The types of event that a CMS publishes, each with its model."""

from typing import Final

from schemas import names
from schemas.editorial import ArticleRestored, ArticleWithdrawn, ImageApproved, ImageChosen
from schemas.recrop import ImageRecropRequested
from schemas.requested import ImageRequested

ImageRequest = ImageRequested | ImageRecropRequested
"""A request for pictures."""

PictureRequest = ImageRequest | ImageChosen
"""What is answered with pictures."""

EditorialDecision = ImageChosen | ImageApproved | ArticleWithdrawn | ArticleRestored
"""What an editor decides about pictures."""

AnyRequest = ImageRequest | EditorialDecision

REQUESTS: Final[dict[str, type[AnyRequest]]] = {
    names.IMAGE_REQUESTED: ImageRequested,
    names.IMAGE_RECROP_REQUESTED: ImageRecropRequested,
    names.IMAGE_CHOSEN: ImageChosen,
    names.IMAGE_APPROVED: ImageApproved,
    names.ARTICLE_WITHDRAWN: ArticleWithdrawn,
    names.ARTICLE_RESTORED: ArticleRestored,
}
"""The model of each type."""
