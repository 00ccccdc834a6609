"""The contract between a CMS and leadart: events, topics, reasons. Independent of the worker."""

from __future__ import annotations

from schemas.outcomes import (
    ANNOUNCEMENTS,
    Announcement,
    ArticleRevision,
    DeadLetter,
    FailedArticle,
    ImageExpired,
    ImageFailed,
    ImageProgress,
    ImageReady,
    ImageSuperseded,
    OutcomeKind,
    ReadyAdapter,
    ReadyModel,
    ReadyPicture,
    ReadySeconds,
    ReadyStyle,
    SupersededBy,
)
from schemas.reasons import ContractError, Reason
from schemas.requested import Article, Brief, Generation, ImageRequested, Output, Priority, RequestReason, Style

__all__ = [
    "ANNOUNCEMENTS",
    "Announcement",
    "Article",
    "ArticleRevision",
    "Brief",
    "ContractError",
    "DeadLetter",
    "FailedArticle",
    "Generation",
    "ImageExpired",
    "ImageFailed",
    "ImageProgress",
    "ImageReady",
    "ImageRequested",
    "ImageSuperseded",
    "OutcomeKind",
    "Output",
    "Priority",
    "ReadyAdapter",
    "ReadyModel",
    "ReadyPicture",
    "ReadySeconds",
    "ReadyStyle",
    "Reason",
    "RequestReason",
    "Style",
    "SupersededBy",
]
