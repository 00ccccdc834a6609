"""Renditions without a bus: what a worker would make of a picture, from a file or from the store, into a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from consumer.errors import Rejected
from consumer.jobs import FILE_SUFFIXES
from consumer.pictures.rendering import render
from consumer.pictures.rendition_file import RenditionFile
from consumer.renditions import CENTRE, Crop, EncodedRenditions, FocalPoint, RenditionOrder
from consumer.settings import FocalPointChoice, Settings
from consumer.storage import S3Store
from schemas import FocalSource, Reason


@dataclass(frozen=True, slots=True)
class CropOptions:
    """What is asked for on the command line: sets by name (none: all), a focal point and explicit crops by set."""

    sets: Sequence[str] = ()
    focal_point: FocalPoint | None = None
    crops: Mapping[str, Crop] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MasterFile:
    """A picture's bytes, and the focal point that its crops keep unless another is given."""

    data: bytes
    focal_point: FocalPoint = CENTRE


def order_of(file: RenditionFile, options: CropOptions, master: MasterFile) -> RenditionOrder:
    """Return what to make of the master. Raises `Rejected` for a set that the site does not have, or without any."""
    if not file.sets:
        raise Rejected(Reason.INVALID_FIELD, "The rendition file has no sets: add one, there is nothing to crop.")
    known = {each.name: each for each in file.sets}
    for name in options.sets:
        if name not in known:
            message = f"There is no rendition set {name!r}: use one of {', '.join(known) or 'those that you add'}."
            raise Rejected(Reason.INVALID_FIELD, message)
    sets = tuple(each for each in file.sets if not options.sets or each.name in options.sets)
    return RenditionOrder(sets, options.focal_point or master.focal_point, options.crops)


def write_renditions(master: MasterFile, order: RenditionOrder, folder: Path, producer: str) -> EncodedRenditions:
    """Write every rendition to `folder`, creating it if missing, and return them.

    Raises OSError, `Rejected` for a crop that does not fit, and ValueError for bytes that are no picture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = render(master.data, order, producer)
    for rendition in made.renditions:
        (folder / file_name(rendition.name, rendition.media_type)).write_bytes(rendition.data)
    return made


def file_name(name: str, media_type: str) -> str:
    """Return the name of a rendition's file, such as hero-960.avif."""
    return f"{name}.{FILE_SUFFIXES[media_type]}"


async def fetch_master(settings: Settings, digest: str) -> MasterFile | None:
    """Return the stored picture with this SHA-256 or recipe, None if there is none or it is damaged.

    Raises `Overloaded` when the store cannot be reached.
    """
    async with S3Store(settings.storage) as store:
        found = await store.look_up(digest, by="sha256") or await store.look_up(digest, by="recipe")
        data = await store.read(found.stored) if found else None
    if found is None or data is None:
        return None
    focus = found.stored.focus
    if focus is None or settings.renditions.focal_point is FocalPointChoice.CENTRE:
        return MasterFile(data)
    return MasterFile(data, FocalPoint(focus.x, focus.y, FocalSource.FOUND))
