"""Tasks of the service that leadart replaces, as requests on the bus: equal fields of a source share an article."""

import hashlib
import json
import time
from datetime import UTC, datetime
from typing import Any

from consumer.gateway.access.principal import Principal
from consumer.gateway.board.board import Board
from consumer.gateway.board.image import BoardImage, UnansweredState
from consumer.gateway.flat_fields import ARTICLE_PREFIX, FlatRequest
from consumer.jobs import FILE_SUFFIXES
from schemas import OutcomeKind

IMAGES_PATH = "/generated-images"
CACHE_SECONDS = 3600
"""For how long a completed task answers another one with equal fields."""

UNDER_WAY = frozenset({str(UnansweredState.QUEUED), str(UnansweredState.PAINTING)})
"""States of a task that a worker has, or will have."""


def article_of(principal: Principal, fields: FlatRequest) -> str:
    """Return the id of the article that stands for all tasks with these fields."""
    named = json.dumps([principal.source, fields.model_dump(exclude_none=True)], sort_keys=True)
    return f"{ARTICLE_PREFIX}{hashlib.sha256(named.encode()).hexdigest()[:32]}"


def latest_task(board: Board, article_id: str) -> BoardImage | None:
    """Return the newest task of an article."""
    article = board.article(article_id)
    tasks = [image for image in article.images.values() if image.kind == "request"] if article else []
    return tasks[-1] if tasks else None


def answers_again(board: Board, task: BoardImage) -> bool:
    """Return whether a task answers another one with equal fields: under way, or completed lately and still there."""
    if task.state in UNDER_WAY:
        return True
    is_recent = time.time() - task.changed_ms / 1000 < CACHE_SECONDS
    return (
        task.state == OutcomeKind.READY and is_recent and all(board.picture(each["sha256"]) for each in _pictures(task))
    )


def repeat_of(task: BoardImage | None, fields: FlatRequest) -> dict[str, Any]:
    """Return what a request needs beside its fields so that it paints other pictures than an earlier task did."""
    is_again = task is not None and task.state == OutcomeKind.READY and fields.seed is None
    return {"reason": "regenerate"} if is_again else {}


def image_urls(task: BoardImage) -> list[str]:
    """Return the addresses of a completed task's pictures, relative to the service."""
    date = f"{datetime.fromtimestamp(task.asked_ms / 1000, UTC):%Y-%m-%d}"
    return [
        f"{IMAGES_PATH}/{date}/{task.id}_{each['index']}_{each['sha256']}.{_suffix(each)}" for each in _pictures(task)
    ]


def _pictures(task: BoardImage) -> list[dict[str, Any]]:
    return list(task.outcome.data.get("pictures") or ()) if task.outcome else []


def _suffix(picture: dict[str, Any]) -> str:
    return FILE_SUFFIXES.get(str(picture["media_type"]), "bin")
