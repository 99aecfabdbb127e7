"""Notices: what peers and background threads want to tell the person at the console."""

from __future__ import annotations

import threading
from collections import deque

from edgelake import limits
from edgelake.interfaces import Notice, NoticeSink

__all__ = ["Notices"]


class Notices:
    """Hands notices to whoever shows them, and keeps them until somebody does.

    At most ``limits.MAX_NOTICES`` are kept; the oldest go first. Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Notice] = deque(maxlen=limits.MAX_NOTICES)
        self._sink: NoticeSink | None = None

    def post(self, notice: Notice) -> None:
        """Show a notice now, or keep it; never blocks for long and never raises."""
        with self._lock:
            sink = self._sink
            if sink is None:
                self._kept.append(notice)
        if sink is not None:
            sink(notice)

    def show(self, sink: NoticeSink | None) -> None:
        """Send notices to ``sink`` from now on, those kept first; ``None`` keeps them again."""
        with self._lock:
            self._sink = sink
            waiting = list(self._kept) if sink is not None else []
            if sink is not None:
                self._kept.clear()
        if sink is not None:
            for notice in waiting:
                sink(notice)

    def take(self) -> list[Notice]:
        """Return the kept notices, oldest first, and forget them."""
        with self._lock:
            kept = list(self._kept)
            self._kept.clear()
        return kept
