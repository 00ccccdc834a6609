"""Counts what a read-committed subscriber saw against what was asked."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from schemas import names
from tests.chaos.load import Asked
from tests.support.harness import Cms

FETCHES = 8
FETCH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Count:
    """The faults of a cell; see `results.Result`."""

    lost: int
    doubled: int
    wrong: int
    aborted: int
    pictures: int
    mismatched: int
    reasons: tuple[str, ...]


async def count(desk: Cms, witness: Cms, requests: Sequence[Asked]) -> Count:
    """Count outcomes and dead letters for each request, and fetch every announced picture and rendition.

    `desk` reads committed records only and is at their end; `witness` reads all.
    """
    outcomes = desk.outcomes()
    told = Counter(outcome["request_id"] for outcome in outcomes)
    letters = Counter(_request_ids(desk))
    due = {asked.id: asked for asked in requests}
    newest = _newest(requests)
    wrong = [outcome for outcome in outcomes if not _as_due(outcome, due.get(outcome["request_id"]), newest)]
    invalid = [asked for asked in requests if asked.due == names.IMAGE_FAILED]
    pictures = pictures_in(outcomes)
    return Count(
        lost=sum(told[asked.id] == 0 for asked in requests) + sum(letters[asked.id] == 0 for asked in invalid),
        doubled=sum(times - 1 for seen in (told, letters) for times in seen.values()),
        wrong=len(wrong),
        aborted=await _aborted(desk, witness),
        pictures=len(pictures),
        mismatched=await mismatched(pictures),
        reasons=tuple(sorted({f"{one.get('reason')}: {one.get('message')}" for one in wrong})),
    )


async def _aborted(desk: Cms, witness: Cms) -> int:
    await witness.settle()
    return len(witness.records(names.OUTCOME)) - len(desk.records(names.OUTCOME))


def _request_ids(desk: Cms) -> Iterable[str]:
    """Return the request ids of the dead letters, which carry the request's own headers; of a batch, where it was."""
    for record in desk.records(names.DEAD_LETTER):
        headers = {name: (value or b"").decode() for name, value in record.headers}
        where = (headers.get(f"leadart-{part}", "") for part in ("topic", "partition", "offset"))
        yield headers.get("ce_id") or ":".join(where)


def _newest(requests: Iterable[Asked]) -> dict[str, int]:
    """Return the newest revision of each article that has to get pictures."""
    newest: dict[str, int] = {}
    for asked in requests:
        if asked.due == names.IMAGE_READY:
            newest[asked.article] = max(asked.revision, newest.get(asked.article, 0))
    return newest


def _as_due(outcome: dict[str, Any], asked: Asked | None, newest: Mapping[str, int]) -> bool:
    """Tell whether an outcome is of a kind that was due: only an article's newest save is sure of pictures."""
    if asked is None or outcome["article"] != {"id": asked.article, "revision": asked.revision}:
        return False
    if outcome["ce"]["type"] == names.IMAGE_SUPERSEDED:
        by: int = outcome["superseded_by"]["revision"]
        return asked.due == names.IMAGE_READY and asked.revision < by <= newest[asked.article]
    return bool(outcome["ce"]["type"] == asked.due)


def pictures_in(outcomes: Iterable[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Return the address of each announced file, pictures and renditions, by its key and digest."""
    return {
        (file["key"], file["sha256"]): file["url"]
        for outcome in outcomes
        for picture in outcome.get("pictures", [])
        for file in (picture, *picture.get("renditions", []))
    }


async def mismatched(pictures: dict[tuple[str, str], str]) -> int:
    turns = asyncio.Semaphore(FETCHES)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(FETCH_SECONDS)) as session:

        async def good(url: str, sha256: str) -> bool:
            try:
                async with turns, session.get(_exact(url)) as answer:
                    return hashlib.sha256(await answer.read()).hexdigest() == sha256
            except (aiohttp.ClientError, TimeoutError):
                return False

        found = await asyncio.gather(*[good(url, sha256) for (_, sha256), url in pictures.items()])
    return found.count(False)


def _exact(url: str) -> URL:
    return URL(url, encoded=True)  # the signature covers the address as it was written
