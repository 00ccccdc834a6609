"""Log lines: JSON on stdout, plain text on a terminal, and no text of an unpublished story above debug level."""

import logging
import sys
import time
from collections.abc import Callable, Collection, Mapping, MutableMapping
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any, TextIO

import structlog
from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from consumer.settings import LogFormat, LogSettings

CONFIDENTIAL = frozenset(
    {
        "alt",
        "avoid",
        "body_excerpt",
        "headline",
        "negative_prompt",
        "prompt",
        "standfirst",
        "subject_hints",
        "summary",
        "tags",
    }
)
"""Keys dropped at any depth from every line above debug level: the text of stories not yet published."""

_MESSAGES_KNOWN = 1000

_PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})
_PLAIN = (str, int, float, type(None), date, Enum, PurePath, BaseException)


def configure_logs(settings: LogSettings, stream: TextIO | None = None, *, silent: Collection[str] = ()) -> None:
    """Configure structlog and the standard library's logging to write to `stream` (default: stdout).

    Libraries log from warning upwards, those named in `silent` not at all. Call once, before the first log line:
    loggers cache their configuration.
    """
    stream = stream or sys.stdout
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    enrich, render = _processors(), _renderers(settings.format, stream)
    structlog.configure(
        processors=[*enrich, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*enrich, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    for name in silent:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.captureWarnings(capture=True)


class RepeatFilter:
    """Passes a library's repeated message once every `seconds`: an absent broker is reported hundreds of times."""

    def __init__(self, seconds: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write the record. Messages are compared before their values are filled in."""
        key, now = (record.name, record.msg), self._clock()
        if now - self._last.get(key, -self._seconds) < self._seconds:
            return False
        if len(self._last) >= _MESSAGES_KNOWN:
            self._last.clear()
        self._last[key] = now
        return True


def keep_confidential(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Above debug level, drop `CONFIDENTIAL` keys and replace objects that are not plain data by their type's name.

    The `repr` of such an object might contain a prompt.
    """
    if method == "debug":
        return event
    exception = {key: event.pop(key) for key in ("exc_info", "_record", "_from_structlog") if key in event}
    return {**_without(event), **exception}


def _without(fields: Mapping[Any, Any]) -> MutableMapping[str, Any]:
    return {str(key): _plain(value) for key, value in fields.items() if key not in CONFIDENTIAL}


def _plain(value: Any) -> Any:
    if value.__class__ in _PLAIN_TYPES:
        return value
    if isinstance(value, dict):
        return _without(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, _PLAIN) else f"<{type(value).__name__}>"


def _processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        TimeStamper(fmt="iso", utc=True),
        keep_confidential,
    ]


def _renderers(form: LogFormat, stream: TextIO) -> list[Processor]:
    if form is LogFormat.CONSOLE or (form is LogFormat.AUTO and stream.isatty()):
        plain = structlog.dev.plain_traceback  # the rich one shows local variables, including prompts
        return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)]
    return [ExceptionRenderer(ExceptionDictTransformer(show_locals=False)), JSONRenderer(default=str)]
