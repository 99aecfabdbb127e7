"""Notices: what peers and background threads want to tell the person at the console."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from dataclasses import replace

from edgelake import limits
from edgelake.interfaces import Notice, NoticeSink

__all__ = ["Notices"]

_log = logging.getLogger(__name__)


class Notices:
    """Keeps notices until somebody shows them, and shows them from a thread of its own.

    Whoever posts only appends to a queue: a terminal or pipe that nobody
    reads holds up the printing thread and nobody else. A text is cut to
    ``limits.MAX_NOTICE_CHARS``; above ``limits.MAX_NOTICES`` texts or
    ``limits.MAX_NOTICES_BYTES`` the oldest go, and their number is told with
    the next text that is shown. Thread-safe.

    Parameters
    ----------
    what : str
        What the texts are, in the line that tells how many are gone.
    """

    def __init__(self, what: str = "messages of peers") -> None:
        self._what = what
        self._changed = threading.Condition()
        self._kept: deque[Notice] = deque()
        self._kept_bytes = 0
        self._dropped = 0
        self._sink: NoticeSink | None = None
        self._printer: threading.Thread | None = None
        self._ending = False

    def post(self, notice: Notice) -> None:
        """Hand a notice to whoever shows them, or keep it; never blocks and never raises."""
        notice = _cut(notice)
        with self._changed:
            self._kept.append(notice)
            self._kept_bytes += _size(notice)
            while (
                len(self._kept) > limits.MAX_NOTICES or self._kept_bytes > limits.MAX_NOTICES_BYTES
            ):
                self._kept_bytes -= _size(self._kept.popleft())
                self._dropped += 1
            self._changed.notify_all()

    def show(self, sink: NoticeSink | None) -> None:
        """Send notices to ``sink`` from now on, those kept first; ``None`` keeps them again.

        The sink is called from one thread at a time, and may block. ``None``
        waits at most ``limits.NOTICES_END_S`` for it to show what is there.
        """
        with self._changed:
            if sink is not None:
                self._sink = sink
                self._ending = False
                if self._printer is None:
                    self._printer = threading.Thread(
                        target=self._print, name="edgelake notices", daemon=True
                    )
                    self._printer.start()
                return
            printer, self._ending = self._printer, True
            self._changed.notify_all()
            if printer is not None and printer is not threading.current_thread():
                self._changed.wait_for(
                    lambda: self._printer is not printer, timeout=limits.NOTICES_END_S
                )
            # A printer that hangs in its sink finds out when it comes back.
            self._sink = self._printer = None

    def take(self) -> list[Notice]:
        """Return the kept notices, oldest first, and forget them."""
        with self._changed:
            kept = [*self._gone(), *self._kept]
            self._kept.clear()
            self._kept_bytes = 0
        return kept

    # -------------------------------------------------------------- printer

    def _print(self) -> None:
        while (work := self._next()) is not None:
            sink, notices = work
            for notice in notices:
                try:
                    sink(notice)
                except Exception:
                    _log.exception("a notice could not be shown")

    def _next(self) -> tuple[NoticeSink, list[Notice]] | None:
        """Wait for a notice; return it and who shows it, ``None`` when this thread has to end."""
        me = threading.current_thread()
        with self._changed:
            self._changed.wait_for(
                lambda: self._kept or self._ending or self._printer is not me,
            )
            if self._printer is not me:
                return None
            if not self._kept or self._sink is None:
                self._printer = None
                self._changed.notify_all()
                return None
            gone = self._gone()
            notice = self._kept.popleft()
            self._kept_bytes -= _size(notice)
            return self._sink, [*gone, notice]

    def _gone(self) -> list[Notice]:
        """Return the line that tells how many notices were dropped, if any were."""
        dropped, self._dropped = self._dropped, 0
        return [Notice(f"{dropped:,} {self._what} were dropped")] if dropped else []


def _cut(notice: Notice) -> Notice:
    over = len(notice.text) - limits.MAX_NOTICE_CHARS
    if over <= 0:
        return notice
    kept = notice.text[: limits.MAX_NOTICE_CHARS]
    return replace(notice, text=f"{kept} … ({over:,} more characters)")


def _size(notice: Notice) -> int:
    """Return the memory of a notice's text in bytes."""
    return sys.getsizeof(notice.text)
