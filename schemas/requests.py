"""The types of request that a CMS publishes, each with its model."""

from typing import Final

from schemas import names
from schemas.recrop import ImageRecropRequested
from schemas.requested import ImageRequested

ImageRequest = ImageRequested | ImageRecropRequested

REQUESTS: Final[dict[str, type[ImageRequest]]] = {
    names.IMAGE_REQUESTED: ImageRequested,
    names.IMAGE_RECROP_REQUESTED: ImageRecropRequested,
}
"""The model of each type."""
