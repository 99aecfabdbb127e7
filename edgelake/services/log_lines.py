"""Lines of the log file: ``key=value`` in a fixed order, one line each, whatever is in them."""

from __future__ import annotations

import json
import logging
import os
import re
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from edgelake import limits

__all__ = ["LEVELS", "copy_of", "line_of", "loggers_of", "record_of", "service_of"]

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
"""Levels by the names that people write."""

_NAMES = {number: name for name, number in LEVELS.items()} | {logging.CRITICAL: "error"}
_BARE = re.compile(r"[\w.:/@+*%-]+", re.ASCII)
_UNSEEN = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FRAMES = 3

# Which service writes by which of Python's loggers; the first that fits counts.
_LOGGERS = (
    ("edgelake.wire", "tcp"),
    ("edgelake.services.http", "rest"),
    ("edgelake.rest", "rest"),
    ("uvicorn", "rest"),
    ("edgelake.services.synchronizer", "synchronizer"),
)


def service_of(logger: str) -> str:
    """Return the service that writes by a logger, ``node`` for all else."""
    return next((service for prefix, service in _LOGGERS if logger.startswith(prefix)), "node")


def loggers_of(service: str) -> list[str]:
    """Return the names of the loggers by which a service writes."""
    return [prefix for prefix, whose in _LOGGERS if whose == service]


def record_of(level: int, service: str, event: str, fields: Mapping[str, Any]) -> logging.LogRecord:
    """Return what a line is made of; nothing in it can change any more."""
    record = logging.LogRecord("edgelake", level, "", 0, event, None, None)
    record.service = service
    record.fields = {
        name: _kept(value) for name, value in fields.items() if value not in ("", None)
    }
    return record


def copy_of(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record of Python's loggers as one of ours."""
    fields: dict[str, Any] = {"text": record.getMessage()}
    if record.exc_info and record.exc_info[1] is not None:
        kind, error, trace = record.exc_info
        frames = reversed(traceback.extract_tb(trace)[-_FRAMES:])
        fields["error"] = f"{kind.__name__ if kind else ''}: {error}"
        fields["at"] = " < ".join(f"{os.path.basename(f.filename)}:{f.lineno}" for f in frames)
    made = record_of(record.levelno, service_of(record.name), "log", fields)
    made.created, made.msecs = record.created, record.msecs
    return made


def line_of(record: logging.LogRecord, hide: Callable[[str], str]) -> str:
    """Return the line of a record, at most `limits.MAX_LOG_LINE_CHARS`.

    Parameters
    ----------
    hide : callable
        Returns a text without its secrets.
    """
    seconds = int(record.created)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    parts = [
        f"time={stamp}.{int((record.created - seconds) * 1000):03d}Z",
        f"level={_NAMES.get(record.levelno, 'info')}",
        f"service={_value(getattr(record, 'service', 'node'))}",
        f"event={_value(record.msg)}",
    ]
    for name, value in getattr(record, "fields", {}).items():
        parts.append(f"{name}={_value(hide(value) if isinstance(value, str) else value)}")
    line = " ".join(parts)
    if len(line) <= limits.MAX_LOG_LINE_CHARS:
        return line
    return f"{line[: limits.MAX_LOG_LINE_CHARS - 1]}…"


# ------------------------------------------------------------------- parts


def _kept(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if len(text) <= limits.MAX_LOG_CHARS else f"{text[: limits.MAX_LOG_CHARS]}…"


def _value(value: Any) -> str:
    """Return a value as it is if it is one word, else in quotes as JSON has them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    if _BARE.fullmatch(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
