"""Fetch announced pictures as a CMS does, over HTTP from the announced address, and compare them."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from consumer.jobs import FILE_SUFFIXES
from consumer.pictures.decoding import measure
from schemas import ReadyPicture, ReadyRendition

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Download:
    """One announced picture, its file (None if it could not be fetched) and those of its renditions that could be.

    `problems` are differences between any of the files and what was announced.
    """

    picture: ReadyPicture
    file: Path | None
    problems: tuple[str, ...]
    renditions: tuple[Path, ...] = ()


async def download(client: aiohttp.ClientSession, picture: ReadyPicture, folder: Path) -> Download:
    """Fetch a picture and its renditions into `folder`, each named by its SHA-256.

    Never raises: a failure becomes a problem of the picture.
    """
    files: tuple[ReadyPicture | ReadyRendition, ...] = (picture, *picture.renditions)
    fetched = await asyncio.gather(*(_fetch(client, each, folder) for each in files))
    (file, _), *others = fetched
    problems = tuple(f"picture {picture.index}{problem}" for _, found in fetched for problem in found)
    return Download(picture, file, problems, tuple(path for path, _ in others if path))


async def _fetch(
    client: aiohttp.ClientSession, announced: ReadyPicture | ReadyRendition, folder: Path
) -> tuple[Path | None, list[str]]:
    """Fetch one file; return where it lies now, and its problems as ends of a sentence about the picture."""
    name = f", {announced.name} in {announced.media_type}" if isinstance(announced, ReadyRendition) else ""
    try:
        async with client.get(announced.url, timeout=aiohttp.ClientTimeout(_SECONDS)) as response:
            response.raise_for_status()
            data, media_type = await response.read(), response.content_type
    except (aiohttp.ClientError, TimeoutError) as error:
        return None, [f"{name} could not be fetched: {error!r}"]
    file = folder / f"{hashlib.sha256(data).hexdigest()}.{FILE_SUFFIXES.get(announced.media_type, 'bin')}"
    problems = await asyncio.to_thread(compare, announced, data, media_type)
    await asyncio.to_thread(file.write_bytes, data)
    return file, [f"{name}: {problem}" for problem in problems]


def compare(announced: ReadyPicture | ReadyRendition, data: bytes, media_type: str) -> list[str]:
    """Return how the bytes and their content type differ from the announcement."""
    try:
        measured = measure(data)
    except ValueError as error:
        return [str(error)]
    found = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "media_type": measured.media_type,
        "width": measured.width,
        "height": measured.height,
    }
    expected = announced.model_dump(include=set(found))
    problems = [
        f"{name} is {found[name]}, announced {expected[name]}" for name in found if found[name] != expected[name]
    ]
    if media_type != announced.media_type:
        problems.append(f"content type is {media_type}, announced {announced.media_type}")
    return problems
