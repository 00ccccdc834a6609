"""The result of one check of `leadart doctor`."""

from dataclasses import dataclass
from enum import StrEnum


class CheckStatus(StrEnum):
    """A failure breaks a promise, a warning weakens one."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: its subject and status, and a message for the operator."""

    subject: str
    status: CheckStatus
    message: str
