"""What the node did and what failed: the event log and the error log, in memory.

Each log keeps its newest lines, and those that peers cause in a place of their own:
no number of them pushes out what the node itself did.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count

from edgelake import limits
from edgelake.errors import EdgeLakeError
from edgelake.language import format_error
from edgelake.services.log_file import LogFile
from edgelake.services.log_lines import LEVELS

__all__ = ["ErrorLog", "EventLog", "LogEntry", "Logs"]

# Number, seconds of `time.perf_counter` at the end, duration, source, text, code, reason, thread.
_Event = tuple[int, float, float, str, str, int, str, str]


@dataclass(slots=True)
class LogEntry:
    """One line of a log; what repeats the line before shares it.

    Attributes
    ----------
    number : int
        Counts what a log was told, from 1; of the last one that shares the line.
    count : int
        How often it happened in a row.
    time_s : float
        When it happened last, in seconds of `time.time`.
    thread : str
        Name of the thread of the node; empty for commands of peers.
    source : str
        Address a peer's connection came from, empty for the node itself.
    text : str
        The command as it was written, at most `limits.MAX_LOG_CHARS` of it, secrets
        included: whoever shows it removes them.
    code : int
        Number of the error, 0 for none.
    reason : str
        One line that says what failed, secrets removed; empty if nothing did.
    seconds : float
        How long the last one took.
    """

    number: int
    count: int
    time_s: float
    thread: str
    source: str
    text: str
    code: int
    reason: str
    seconds: float

    @property
    def time(self) -> str:
        """``time_s`` in UTC, to the millisecond."""
        told = datetime.fromtimestamp(self.time_s, UTC).isoformat(timespec="milliseconds")
        return told.replace("+00:00", "Z")

    def repeats(self, other: LogEntry) -> bool:
        """Return whether it says the same as another line."""
        return (self.text, self.source, self.code, self.reason, self.thread) == (
            other.text,
            other.source,
            other.code,
            other.reason,
            other.thread,
        )


class EventLog:
    """The newest commands. Thread-safe; adding one is an append and no more.

    Attributes
    ----------
    heard : callable or None
        Gets text, source and seconds of each command that succeeded.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self.heard: Callable[[str, str, float], None] | None = None
        self._own: deque[_Event] = deque(maxlen=limits.EVENT_LOG_ENTRIES)
        self._of_peers: deque[_Event] = deque(maxlen=limits.EVENT_LOG_ENTRIES)

    def add(self, text: str, source: str, started: float, code: int = 0, reason: str = "") -> None:
        """Note a command that ends now.

        Parameters
        ----------
        started : float
            Seconds of `time.perf_counter` at its start.
        """
        if len(text) > limits.MAX_LOG_CHARS:
            text = _cut(text)
        ended = time.perf_counter()
        if self.heard is not None and not code:
            self.heard(text, source, ended - started)
        number = next(self._numbers)
        if source:
            event = (number, ended, ended - started, source, text, code, reason, "")
            self._of_peers.append(event)
        else:
            thread = threading.current_thread().name
            self._own.append((number, ended, ended - started, "", text, code, reason, thread))

    def entries(self) -> list[LogEntry]:
        """Return the lines as they are now, the oldest first."""
        epoch = time.time() - time.perf_counter()
        # A copy of a deque is one step: nobody appends in between.
        events = sorted((*self._own.copy(), *self._of_peers.copy()))
        return _joined(
            LogEntry(number, 1, epoch + ended, thread, source, text, code, reason, seconds)
            for number, ended, seconds, source, text, code, reason, thread in events
        )

    def clear(self) -> None:
        """Forget all lines; their numbers go on."""
        self._own.clear()
        self._of_peers.clear()


class ErrorLog:
    """The newest failures. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._own: deque[LogEntry] = deque(maxlen=limits.ERROR_LOG_ENTRIES)
        self._of_peers: deque[LogEntry] = deque(maxlen=limits.ERROR_LOG_ENTRIES)

    def add(self, text: str, source: str, error: BaseException) -> LogEntry:
        """Note a failure, or count it in the last line if that says the same."""
        code = getattr(error, "code", EdgeLakeError.code)
        thread = "" if source else threading.current_thread().name
        reason = _cut(format_error(error))
        found = LogEntry(0, 1, time.time(), thread, source, _cut(text), code, reason, 0.0)
        kept = self._of_peers if source else self._own
        with self._lock:
            self._number += 1
            found.number = self._number
            if kept and kept[-1].repeats(found):
                last = kept[-1]
                last.count += 1
                last.number, last.time_s = found.number, found.time_s
                return last
            kept.append(found)
            return found

    @property
    def number(self) -> int:
        """How many failures there were."""
        return self._number

    def entries(self) -> list[LogEntry]:
        """Return the lines as they are now, the oldest first."""
        with self._lock:
            found = [replace(entry) for entry in (*self._own, *self._of_peers)]
        return sorted(found, key=lambda entry: entry.number)

    def clear(self) -> None:
        """Forget all lines; their numbers go on."""
        with self._lock:
            self._own.clear()
            self._of_peers.clear()


class Logs:
    """The logs of a node. Thread-safe.

    Attributes
    ----------
    events : EventLog
        Every command that was executed.
    errors : ErrorLog
        Every failure: of commands, services, and what peers sent.
    file : LogFile or None
        Gets a line of each failure; if it takes the level debug, of each command too.
    """

    def __init__(self) -> None:
        self.events = EventLog()
        self.errors = ErrorLog()
        self.file: LogFile | None = None

    def failed(self, text: str, source: str, error: BaseException, started: float) -> None:
        """Note that a command failed; an error that a script hands on counts once.

        Parameters
        ----------
        text : str
            The command as it was written.
        source : str
            Address of the peer that sent it, empty for the node itself.
        error : BaseException
            Must not hold secrets any more (`edgelake.language.conceal`).
        started : float
            Seconds of `time.perf_counter` at its start.
        """
        code = getattr(error, "code", EdgeLakeError.code)
        if not isinstance(error, Exception):
            # Somebody pressed Ctrl-C, or the process ends: no fault of the command.
            self.events.add(text, source, started, code, "interrupted")
            return
        self.events.add(text, source, started, code, _cut(str(error) or type(error).__name__))
        told: EdgeLakeError | None = None
        for cause in _causes(error):
            if isinstance(cause.log_entry, LogEntry):
                if told is not None:
                    cause.log_entry.reason = _cut(format_error(told))
                return
            if told is None and cause.excerpt is not None:
                told = cause  # names the script and the line
        entry = self.errors.add(text, source, error)
        self._write("warning", "commands", "command failed", entry, text=text)
        if isinstance(error, EdgeLakeError):
            error.log_entry = entry

    def trouble(self, where: str, error: BaseException, source: str = "") -> None:
        """Note a failure that no command caused.

        Parameters
        ----------
        where : str
            Which service or part of the node failed.
        source : str
            Address of the peer that caused it, empty for none.
        """
        entry = self.errors.add(where, source, error)
        self._write("warning" if source else "error", where, "failed", entry)

    def note_commands(self) -> None:
        """Write each command to the log file if it takes them, or not any more."""
        file = self.file
        takes = file is not None and file.takes("commands", LEVELS["debug"])
        self.events.heard = self._command if takes else None

    def _command(self, text: str, source: str, seconds: float) -> None:
        if self.file is not None:
            ms = seconds * 1000
            self.file.write("debug", "commands", "command done", source=source, ms=ms, text=text)

    def _write(self, level: str, service: str, event: str, entry: LogEntry, **fields: str) -> None:
        if self.file is not None:
            error = entry.reason
            self.file.write(
                level, service, event, source=entry.source, code=entry.code, error=error, **fields
            )


def _joined(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """Return the lines with those that repeat the one before counted in it."""
    found: list[LogEntry] = []
    for entry in entries:
        if found and entry.repeats(found[-1]):
            entry.count += found.pop().count
        found.append(entry)
    return found


def _causes(error: BaseException) -> Iterator[EdgeLakeError]:
    """Yield an error and what caused it, as far as they are errors of the tree."""
    cause: BaseException | None = error
    seen: set[int] = set()
    while isinstance(cause, EdgeLakeError) and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__


def _cut(text: str) -> str:
    return text if len(text) <= limits.MAX_LOG_CHARS else text[: limits.MAX_LOG_CHARS] + "…"
