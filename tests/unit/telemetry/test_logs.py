from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from consumer.settings import LogFormat, LogSettings
from consumer.telemetry.logs import CONFIDENTIAL, RepeatFilter, configure_logs, keep_confidential
from schemas import Article, Brief

SECRET = "the minister resigns tomorrow"


@dataclass(frozen=True)
class Leaky:
    """Its `repr` holds the prompt."""

    prompt: str = SECRET


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, show = root.handlers[:], root.level, warnings.showwarning
    yield
    root.handlers[:], warnings.showwarning = handlers, show
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configured(level: str = "info", form: LogFormat = LogFormat.JSON) -> io.StringIO:
    stream = io.StringIO()
    configure_logs(LogSettings(level=level, format=form), stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_its_context_time_and_level() -> None:
    """One event, one JSON line: bound context, UTC time, level, fields."""
    stream = configured()
    structlog.contextvars.bind_contextvars(article="a-1042", offset=7)
    structlog.get_logger().info("announced", kind="ready", seconds={"engine": 1.5})
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "announced",
        "level": "info",
        "article": "a-1042",
        "offset": 7,
        "kind": "ready",
        "seconds": {"engine": 1.5},
    }


@pytest.mark.parametrize("method", ["info", "warning", "error", "critical", "exception"])
@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_prompt_is_in_no_line_above_debug(method: str, form: LogFormat) -> None:
    """A story's text is not logged, whether it is a field, nested, an object or bytes."""
    stream = configured(form=form)
    prompt = SECRET  # a local variable that a rich traceback would show
    try:
        raise RuntimeError("the engine fell over")  # noqa: TRY301 - the traceback is what is tested
    except RuntimeError:
        getattr(structlog.get_logger(), method)(
            "painted",
            exc_info=True,
            prompt=prompt,
            headline=SECRET,
            request={"article": {"id": "a-1", "headline": SECRET, "tags": [SECRET]}},
            recipes=[{"negative_prompt": SECRET}, Leaky()],
            leaky=Leaky(),
            raw=SECRET.encode(),
        )
    assert SECRET not in stream.getvalue()
    assert "painted" in stream.getvalue()
    assert "the engine fell over" in stream.getvalue()


def test_a_prompt_is_in_a_debug_line() -> None:
    """At debug level the prompt is logged."""
    stream = configured("debug")
    structlog.get_logger().debug("painted", prompt=SECRET)
    assert lines(stream)[0]["prompt"] == SECRET


def test_debug_lines_are_left_out_at_info() -> None:
    """The level is the lowest that is written."""
    stream = configured("info")
    structlog.get_logger().debug("painted", prompt=SECRET)
    assert stream.getvalue() == ""


def test_every_text_of_a_request_is_confidential() -> None:
    """A new field of the contract must be declared harmless here or be confidential."""
    harmless = {"id", "revision", "url", "locale", "section", "status", "author"}
    assert set(Article.model_fields) - harmless <= CONFIDENTIAL
    assert set(Brief.model_fields) <= CONFIDENTIAL


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*CONFIDENTIAL, "id", "n"]), inner),
)


def keys_of(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(keys_of(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(keys_of(item) for item in value))
    return set()


@given(st.dictionaries(st.text(max_size=5), json_values))
def test_confidential_keys_are_dropped_at_any_depth(fields: dict[str, Any]) -> None:
    """Whatever the shape of what is logged, no confidential key is left, and the rest stays."""
    kept = dict(keep_confidential(None, "info", {"event": "e", **fields}))
    assert not keys_of(kept) & CONFIDENTIAL
    assert {key for key in fields if key not in CONFIDENTIAL} <= set(kept)


def test_a_traceback_is_data_without_variables() -> None:
    """An exception is a list of frames, so that a log store can search it; local variables are left out."""
    stream = configured()
    try:
        raise RuntimeError("the engine fell over")  # noqa: TRY301 - the traceback is what is tested
    except RuntimeError:
        structlog.get_logger().exception("failed")
    (exception,) = lines(stream)[0]["exception"]
    assert exception["exc_type"] == "RuntimeError"
    assert exception["exc_value"] == "the engine fell over"
    assert not any(frame.get("locals") for frame in exception["frames"])


@pytest.mark.parametrize("level", ["debug", "info", "error"])
def test_libraries_log_from_warning_upwards(level: str) -> None:
    """A library's warning is a line like ours, with its logger's name; its lower levels are not, even at debug."""
    stream = configured(level)
    library = logging.getLogger("aiokafka.consumer")
    library.info("heartbeat")
    library.error("no broker %s", "b-1")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("no broker b-1", "error", "aiokafka.consumer")


def test_a_librarys_exception_is_data_too() -> None:
    """A traceback that a library logs looks like ours."""
    stream = configured()
    try:
        raise OSError("socket closed")  # noqa: TRY301 - the traceback is what is tested
    except OSError:
        logging.getLogger("botocore").exception("request failed")
    assert lines(stream)[0]["exception"][0]["exc_type"] == "OSError"


def test_python_warnings_are_lines_too() -> None:
    """A deprecation warning does not break the stream of JSON lines."""
    stream = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("going away", DeprecationWarning, stacklevel=1)
    (line,) = lines(stream)
    assert line["logger"] == "py.warnings"
    assert "going away" in line["event"]


def test_auto_is_console_on_a_terminal_only() -> None:
    """People get columns, machines get JSON."""
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        configure_logs(LogSettings(level="info", format=LogFormat.AUTO), stream)
        structlog.get_logger().info("ready")
    assert json.loads(pipe.getvalue())["event"] == "ready"
    with pytest.raises(json.JSONDecodeError):
        json.loads(terminal.getvalue())


def test_a_librarys_repeated_message_is_filtered() -> None:
    """A message that differs only in its values passes once per interval; another message passes at once."""
    now = 0.0
    repeats = RepeatFilter(30.0, lambda: now)

    def said(message: str) -> bool:
        return repeats.filter(logging.LogRecord("aiokafka", logging.ERROR, "", 0, message, (1,), None))

    assert [said("unable to connect to %s"), said("unable to connect to %s"), said("fenced %s")] == [True, False, True]
    now = 31.0
    assert said("unable to connect to %s")
