"""Standard output and standard error of a node's process, and its log."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import time
import traceback
from types import TracebackType
from typing import TextIO

from edgelake import limits
from edgelake.commands.rendering import console_text
from edgelake.errors import EdgeLakeError
from edgelake.interfaces import Notice, NoticeSink
from edgelake.services.notices import Notices

__all__ = ["LogLines", "Output", "internal_error"]

_log = logging.getLogger(__name__)

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
_FRAMES = 3


class Output:
    """A standard stream without a buffer of its own. Thread-safe; lines stay whole.

    A buffered stream holds its lock while a pipe that nobody reads blocks it,
    and is flushed again when the interpreter ends: one blocked thread then
    takes the whole process with it. A thread that is blocked here is alone.

    Parameters
    ----------
    stream : TextIO or None
        ``sys.stdout`` or ``sys.stderr``; ``None`` if it was closed: texts are then lost.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._descriptor = None if stream is None else stream.fileno()
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Write a text and a line end; blocks while the reader does not read.

        Raises
        ------
        OSError
            Nobody will ever read it, or the disk is full.
        """
        if self._descriptor is None:
            return
        # Arguments of a command may hold bytes that are no text: show them, do not fail.
        data = memoryview((text + "\n").encode(errors="backslashreplace"))
        with self._lock:
            while data:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except BlockingIOError:
                    select.select([], [self._descriptor], [])

    def notice(self, notice: Notice) -> None:
        """Write a text that comes from elsewhere, as far as it can be written."""
        # A peer's message must not end the node because the disk is full.
        with contextlib.suppress(OSError):
            self.write(notice.text)


class LogLines(logging.Handler):
    """The process's log: each record one line, never more than its reader takes.

    Peers cause most records, so a line that was just shown is left out for
    ``limits.LOG_REPEAT_S``, and so is all above ``limits.MAX_LOG_LINES`` in
    that time. Lines wait in a queue of their own: logging never blocks.

    Parameters
    ----------
    output : Output
    """

    def __init__(self, output: Output) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(_OneLine("edgelake: %(message)s"))
        self._output = output
        self._lines = Notices("lines of the log")
        self._shown: set[str] = set()
        self._since = float("-inf")
        self._left_out = 0

    def install(self) -> None:
        """Take the records of every logger."""
        self._lines.show(self._output.notice)
        logging.getLogger().addHandler(self)

    def show(self, sink: NoticeSink | None) -> None:
        """Show lines through ``sink`` from now on; ``None``: on the stream again."""
        self._lines.show(sink or self._output.notice)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line of a record."""
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        # logging.Handler.handle holds the handler's lock here.
        now = time.monotonic()
        if now - self._since > limits.LOG_REPEAT_S:
            if self._left_out:
                self._lines.post(Notice(f"edgelake: {self._left_out:,} lines were left out"))
            self._since, self._left_out = now, 0
            self._shown.clear()
        if line in self._shown or len(self._shown) >= limits.MAX_LOG_LINES:
            self._left_out += 1
            return
        self._shown.add(line)
        self._lines.post(Notice(line))

    def close(self) -> None:
        """Show what is queued, and take no more."""
        logging.getLogger().removeHandler(self)
        self._lines.show(None)
        super().close()


def internal_error(error: Exception) -> EdgeLakeError:
    """Return an error from outside the tree as one of ours; where it arose goes to the log."""
    _log.error("a command failed inside", exc_info=error)
    return EdgeLakeError(f"internal error: {type(error).__name__}: {error}")


class _OneLine(logging.Formatter):
    """Formats a record, and its exception, as one line without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return console_text(super().format(record)).replace("\n", ": ")

    def formatException(self, ei: _ExcInfo) -> str:
        kind, error, trace = ei
        frames = traceback.extract_tb(trace)[-_FRAMES:]
        where = " < ".join(
            f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in reversed(frames)
        )
        return f"{kind.__name__ if kind else 'no error'}: {error} ({where})"
