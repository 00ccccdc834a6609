"""What an examination found: the words that `leadart doctor` speaks in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CheckStatus(StrEnum):
    """How bad it is: a failure breaks a promise, a warning weakens one."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at."""

    subject: str
    verdict: CheckStatus
    message: str
