"""The log file of a node: what its services do and what fails, for those who look later.

Whoever writes only puts a record into a bounded queue; a thread makes the line and writes
it. A disk that is slow, full or gone costs lines, which are counted, and nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from edgelake import limits
from edgelake.services.log_lines import LEVELS, copy_of, line_of, loggers_of, record_of, service_of

__all__ = ["LogFile"]

_ROOT = "edgelake"


class LogFile:
    """Writes the log file. Thread-safe; nothing in it blocks or raises.

    Parameters
    ----------
    path : Path
        The file; made with its folder when the first line is written.
    hide : callable
        Returns a text without its secrets.

    Attributes
    ----------
    rest_calls : bool
        Each call by REST gets a line.
    """

    def __init__(self, path: Path, hide: Callable[[str], str]) -> None:
        self.path = path
        self.rest_calls = False
        self._level = logging.INFO
        self._traced: dict[str, int] = {}
        self._file = _Rotated(path, hide)
        self._queue: queue.Queue[logging.LogRecord | None] = queue.Queue(limits.LOG_QUEUE_LINES)
        self._heard = _Heard(self)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._dropped = 0
        self._told = 0
        self._since_s = 0.0
        self._of_peers = 0

    # -------------------------------------------------------------- life

    def begin(self) -> None:
        """Write from now on; a second call changes nothing."""
        with self._lock:
            if self._thread is not None or self._closed:
                return
            self._thread = threading.Thread(target=self._run, name="log file", daemon=True)
            self._thread.start()
        logging.getLogger(_ROOT).addHandler(self._heard)

    def close(self) -> None:
        """Write what waits, for `limits.LOG_END_S` at most, and end; may be called twice."""
        with self._lock:
            thread, self._closed = self._thread, True
        logging.getLogger(_ROOT).removeHandler(self._heard)
        for service in self.traced:
            self.trace(service, on=False)
        if thread is None:
            return
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=limits.LOG_END_S)
        thread.join(limits.LOG_END_S)

    # ----------------------------------------------------------- settings

    @property
    def level(self) -> str:
        """The least level that is written."""
        return next(name for name, number in LEVELS.items() if number == self._level)

    @level.setter
    def level(self, name: str) -> None:
        self._level = LEVELS[name]

    def trace(self, service: str, *, on: bool) -> None:
        """Write all that one service says, or what the level lets through again."""
        if on:
            self._traced[service] = logging.DEBUG
        else:
            self._traced.pop(service, None)
        for name in loggers_of(service):
            logging.getLogger(name).setLevel(logging.DEBUG if on else logging.NOTSET)

    @property
    def traced(self) -> list[str]:
        """The services of which all is written."""
        return sorted(self._traced)

    def takes(self, service: str, level: int) -> bool:
        """Return whether a line would be written."""
        if self._thread is None or self._closed:
            return False
        return level >= self._traced.get(service, self._level)

    # ------------------------------------------------------------- writing

    def write(
        self, level: str, service: str, event: str, *, source: str = "", **fields: Any
    ) -> None:
        """Write a line.

        Parameters
        ----------
        level : str
            See `LEVELS`.
        service, event : str
            Who says it, and what happened, in a few words.
        source : str
            Address of the peer that caused it: peers get `limits.MAX_LOG_LINES_OF_PEERS`
            lines in `limits.LOG_REPEAT_S`, so that they cannot fill the file.
        **fields : Any
            What else there is to know, named.
        """
        number = LEVELS[level]
        if not self.takes(service, number):
            return
        if source and self._crowded():
            return
        self.put(record_of(number, service, event, {**fields, "source": source}))

    def rest_call(
        self,
        method: str,
        path: str,
        address: str,
        caller: str,
        status: int,
        seconds: float,
        fault: str,
    ) -> None:
        """Write a line of a call by REST, if calls or all that the service says are wanted."""
        level = "info" if self.rest_calls else "debug"
        number = LEVELS[level]
        if not self.takes("rest", number):
            return
        fields = {"method": method, "path": path, "status": status, "ms": seconds * 1000}
        fields |= {"source": address, "caller": caller, "fault": fault}
        self.put(record_of(number, "rest", "call", fields))

    def put(self, record: logging.LogRecord) -> None:
        """Queue a record, or count it as lost."""
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def figures(self) -> dict[str, Any]:
        """Return counts of lines, and how the file is."""
        file = self._file
        return {
            "lines": file.lines,
            "dropped": self._dropped,
            "unwritten": file.failed,
            "fault": file.fault or None,
        }

    # ------------------------------------------------------------------- parts

    def _crowded(self) -> bool:
        """Count a line that a peer caused; return whether there were too many."""
        now_s = time.monotonic()
        if now_s - self._since_s > limits.LOG_REPEAT_S:
            self._since_s, self._of_peers = now_s, 0
        self._of_peers += 1
        if self._of_peers <= limits.MAX_LOG_LINES_OF_PEERS:
            return False
        self._dropped += 1
        return True

    def _run(self) -> None:
        while (record := self._queue.get()) is not None:
            self._file.emit(record)
            if self._queue.empty():
                self._tell_of_dropped()
        self._tell_of_dropped()
        self._file.close()

    def _tell_of_dropped(self) -> None:
        dropped = self._dropped
        more, self._told = dropped - self._told, dropped
        if more:
            self._file.emit(record_of(logging.WARNING, "node", "lines left out", {"lines": more}))


class _Heard(logging.Handler):
    """Takes what parts of the node say by Python's loggers."""

    def __init__(self, log: LogFile) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "told", False):
            return  # it is in the error log, and by it here already
        if not self._log.takes(service_of(record.name), record.levelno):
            return
        try:
            self._log.put(copy_of(record))
        except Exception:
            self._log.put(record_of(record.levelno, "node", "log", {"text": repr(record.msg)}))


class _Rotated(RotatingFileHandler):
    """Writes lines; begins a new file when one is full. Used by one thread.

    Attributes
    ----------
    lines, failed : int
        That were written, and that could not be.
    fault : str
        Why the last one could not; empty if it was written.
    """

    def __init__(self, path: Path, hide: Callable[[str], str]) -> None:
        super().__init__(
            path,
            maxBytes=limits.MAX_LOG_FILE_BYTES,
            backupCount=limits.MAX_LOG_FILES - 1,
            encoding="utf-8",
            errors="backslashreplace",
            delay=True,
        )
        self._hide = hide
        self._raw: io.FileIO
        self.lines = self.failed = 0
        self.fault = ""

    def format(self, record: logging.LogRecord) -> str:
        return line_of(record, self._hide)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self.shouldRollover(record):
                self.doRollover()
            stream = self.stream = self.stream or self._open()
            stream.write(self.format(record) + "\n")
            stream.flush()
        except Exception as exc:
            self.failed += 1
            self.fault = (exc.strerror or str(exc)) if isinstance(exc, OSError) else repr(exc)
            self._give_up()
        else:
            self.lines += 1
            self.fault = ""

    def close(self) -> None:
        """Close the file, whatever its disk says."""
        with contextlib.suppress(OSError, ValueError):
            super().close()

    def _open(self) -> io.TextIOWrapper:
        """Open the file for this process alone; others may not read it."""
        os.makedirs(os.path.dirname(self.baseFilename), exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self.baseFilename, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise OSError("another process writes it") from None
        self._raw = io.FileIO(descriptor, "a")
        buffered = io.BufferedWriter(self._raw)
        return io.TextIOWrapper(buffered, encoding=self.encoding, errors=self.errors)

    def _give_up(self) -> None:
        """Forget the file, and what of a line it did not take; the next line opens it anew."""
        stream, self.stream = self.stream, None
        if stream is not None:
            # Below the buffer first, whose rest would else be tried again.
            for part in (self._raw, stream):
                with contextlib.suppress(OSError, ValueError):
                    part.close()
