"""Stages that cost nothing, so that a benchmark sees delivery alone: no pixel is painted, encoded or stored."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from consumer.jobs import ModelIdentity, Paintable, Picture, Rendition
from consumer.storage import stored_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from consumer.jobs import Lane, Recipe, Renditions, StoredPicture, StoredPictures

_PIXEL = bytes(3)
_BYTES = b"leadart bench"


class EmptyEngine:
    """The `Engine` port without an engine: every recipe is one black pixel, at once and without a step."""

    paintable = Paintable(ModelIdentity("empty", "0" * 64))
    ready = True
    restarts = 0
    devices = 1
    device_ready: Mapping[str, bool] = MappingProxyType({})

    async def paint(self, recipe: Recipe, lane: Lane, on_step: Callable[[int, int], None]) -> Picture:
        """Return the pixel."""
        del lane, on_step
        return Picture(recipe, 1, 1, _PIXEL, 0.0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """End nothing."""


class EmptyEncoder:
    """Stands where the encoder does; encodes nothing."""

    async def encode(self, picture: Picture) -> Renditions:
        """Return the same bytes for every picture."""
        return (Rendition(_BYTES, "image/png", picture.width, picture.height),)


class EmptyStore:
    """The `Store` port as one dictionary: remembers which recipes were kept, as the pipeline has to ask."""

    def __init__(self) -> None:
        self._kept: dict[str, StoredPictures] = {}

    async def prepare(self, *, create: bool = False, public: bool = False) -> None:
        """Find nothing to prepare."""

    async def addresses_end_early(self) -> bool:
        """Return False: they do not end at all."""
        return False

    async def find(self, recipe: Recipe) -> StoredPictures | None:
        """Return the pictures if the recipe was kept before."""
        return self._kept.get(recipe.digest)

    async def keep(self, recipe: Recipe, renditions: Renditions) -> StoredPictures:
        """Remember the recipe."""
        return self._kept.setdefault(recipe.digest, stored_pictures(recipe, renditions))

    async def url(self, picture: StoredPicture) -> tuple[str, datetime | None]:
        """Return an address that leads nowhere and does not expire."""
        return f"https://pictures.invalid/{picture.key}", None
