"""Who called by REST, how often, and how it went."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from edgelake import limits

__all__ = ["DURATION_BOUNDS_S", "METHODS", "CallRecord", "PoolThread", "RestCalls", "Turn"]

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
"""Methods that are told apart."""

DURATION_BOUNDS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Longest times that the first parts of the histogram of durations count; one more has the rest."""

_OTHERS = "(others)"
_OTHER_METHOD = "OTHER"


@dataclass(slots=True)
class CallRecord:
    """The calls of one program by one method.

    Attributes
    ----------
    processed, errors : int
    last_error : str
    first, last : datetime
    last_caller : str
        ``ip:port``.
    last_user : str
        Who said last who he is; empty if nobody did.
    """

    caller: str
    method: str
    processed: int = 0
    errors: int = 0
    last_error: str = ""
    first: datetime = field(default_factory=datetime.now)
    last: datetime = field(default_factory=datetime.now)
    last_caller: str = ""
    last_user: str = ""

    def data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "caller": self.caller,
            "call": self.method,
            "processed": self.processed,
            "errors": self.errors,
            "last_error": self.last_error or None,
            "first_call": self.first.isoformat(sep=" ", timespec="seconds"),
            "last_call": self.last.isoformat(sep=" ", timespec="seconds"),
            "last_caller": self.last_caller,
            "last_user": self.last_user or None,
        }


@dataclass(slots=True)
class PoolThread:
    """What one thread that runs commands does, and did."""

    busy: bool = False
    calls: int = 0


@dataclass(slots=True)
class Turn:
    """One call that waits for a thread of the pool, or had one."""

    waits: bool = True


class RestCalls:
    """Counts of calls by caller and method. Thread-safe.

    Notes
    -----
    A caller names itself (``User-Agent``), so at most `limits.MAX_REST_CALLERS` are told
    apart; calls of all others are counted together.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[tuple[str, str], CallRecord] = {}
        self._by_status: dict[tuple[str, int], int] = {}
        self._durations = [0] * (len(DURATION_BOUNDS_S) + 1)
        self._duration_sum_s = 0.0
        self._threads: dict[str, PoolThread] = {}
        self.waiting = 0
        self.running = 0

    def note(
        self,
        caller: str,
        method: str,
        address: str,
        status: int,
        error: str,
        user: str = "",
        *,
        seconds: float = 0.0,
    ) -> None:
        """Count a call that was answered.

        Parameters
        ----------
        caller : str
            How the program names itself.
        address : str
            ``ip:port`` it called from.
        status : int
            Of the answer; from 400 on it is an error.
        error : str
            What was wrong; empty for none.
        user : str
            Who said who he is; empty for nobody.
        seconds : float
            From its head to its answer.
        """
        if method not in METHODS:
            method = _OTHER_METHOD
        part = bisect_left(DURATION_BOUNDS_S, seconds)
        with self._lock:
            self._durations[part] += 1
            self._duration_sum_s += seconds
            key = (method, status)
            self._by_status[key] = self._by_status.get(key, 0) + 1
            record = self._record(caller, method)
            record.processed += 1
            record.last = datetime.now()
            record.last_caller = address
            record.last_user = user or record.last_user
            if status >= 400:
                record.errors += 1
                record.last_error = _short(error)

    def wait(self) -> Turn:
        """Count a call that waits for a thread of the pool, until `in_thread` or `leave`."""
        with self._lock:
            self.waiting += 1
        return Turn()

    def leave(self, turn: Turn) -> None:
        """Count a call no more that waits, if it still does."""
        with self._lock:
            self.waiting -= turn.waits
            turn.waits = False

    @contextmanager
    def in_thread(self, turn: Turn) -> Iterator[None]:
        """Count that a thread of the pool runs a call, for as long as it does."""
        self.leave(turn)
        name = threading.current_thread().name
        with self._lock:
            self.running += 1
            thread = self._threads.setdefault(name, PoolThread())
            thread.calls += 1
            thread.busy = True
        try:
            yield
        finally:
            with self._lock:
                self.running -= 1
                thread.busy = False

    def threads(self, number: int) -> list[PoolThread]:
        """Return what each thread of the pool did; those that were not needed yet come last."""
        with self._lock:
            found = [replace(thread) for thread in self._threads.values()]
        return found + [PoolThread() for _ in range(number - len(found))]

    def records(self) -> list[CallRecord]:
        """Return all records, ordered by caller and method."""
        with self._lock:
            return [self._records[key] for key in sorted(self._records)]

    def totals(self) -> dict[str, int]:
        """Return how many calls were answered, failed, run and wait."""
        with self._lock:
            return {
                "calls": sum(self._by_status.values()),
                "errors": sum(n for (_, status), n in self._by_status.items() if status >= 400),
                "running": self.running,
                "waiting": self.waiting,
            }

    def by_status(self) -> dict[tuple[str, int], int]:
        """Return how many calls there were of each method and status."""
        with self._lock:
            return dict(self._by_status)

    def durations(self) -> tuple[list[int], float]:
        """Return how many calls each part of `DURATION_BOUNDS_S` has, and their time in seconds."""
        with self._lock:
            return list(self._durations), self._duration_sum_s

    def _record(self, caller: str, method: str) -> CallRecord:
        key = (caller, method)
        if key not in self._records and len(self._records) >= limits.MAX_REST_CALLERS:
            key = (_OTHERS, method)
        record = self._records.get(key)
        if record is None:
            record = self._records[key] = CallRecord(*key)
        return record


def _short(error: str) -> str:
    """Return an error as it is kept: one line, and not as long as a caller may make it."""
    line = " ".join(error.split())
    most = limits.MAX_REST_ERROR_CHARS
    return line if len(line) <= most else f"{line[: most - 1]}…"
