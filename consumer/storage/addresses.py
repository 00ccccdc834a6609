"""Where subscribers fetch pictures."""

from consumer.settings import StorageSettings
from consumer.storage.objects import StoreObjects


async def announced_origin(objects: StoreObjects, settings: StorageSettings) -> str:
    """Return how the announced addresses of pictures begin: the public base URL, or what is presigned for."""
    base = settings.public_base_url
    return str(base) if base is not None else await objects.address(settings.bucket)
