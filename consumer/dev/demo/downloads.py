"""Fetch announced pictures as a CMS does, over HTTP from the announced address, and compare them."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from consumer.jobs import FILE_SUFFIXES
from consumer.pictures.decoding import measure
from schemas import ReadyPicture

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Download:
    """One announced picture and its file (None if it could not be fetched); `problems` are differences."""

    picture: ReadyPicture
    file: Path | None
    problems: tuple[str, ...]


async def download(client: aiohttp.ClientSession, picture: ReadyPicture, folder: Path) -> Download:
    """Fetch a picture into `folder`, named by its SHA-256. Never raises: a failure becomes a problem of the picture."""
    try:
        async with client.get(picture.url, timeout=aiohttp.ClientTimeout(_SECONDS)) as response:
            response.raise_for_status()
            data, media_type = await response.read(), response.content_type
    except (aiohttp.ClientError, TimeoutError) as error:
        return Download(picture, None, (f"picture {picture.index} could not be fetched: {error!r}",))
    file = folder / f"{hashlib.sha256(data).hexdigest()}.{FILE_SUFFIXES.get(picture.media_type, 'bin')}"
    problems = await asyncio.to_thread(compare, picture, data, media_type)
    await asyncio.to_thread(file.write_bytes, data)
    return Download(picture, file, tuple(f"picture {picture.index}: {problem}" for problem in problems))


def compare(picture: ReadyPicture, data: bytes, media_type: str) -> list[str]:
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
    announced = picture.model_dump(include=set(found))
    problems = [
        f"{name} is {found[name]}, announced {announced[name]}" for name in found if found[name] != announced[name]
    ]
    if media_type != picture.media_type:
        problems.append(f"content type is {media_type}, announced {picture.media_type}")
    return problems
