"""Rates of counters that only grow: since the start, and over the last while."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from edgelake import limits

__all__ = ["RateMeter", "Rates"]


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast counters grew over a stretch of time.

    Attributes
    ----------
    time_s : float
        The stretch.
    per_s : dict of str to float
        By the counters' names.
    """

    time_s: float
    per_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Sample:
    time_s: float
    totals: Mapping[str, int]


class RateMeter:
    """Makes rates of what it is told; thread-safe.

    It has no thread and no clock of its own: the last stretch goes back to the
    time it was asked before. Whoever asks many times a second, or several who
    ask at once, get at least `limits.RATE_INTERVAL_S`.

    Parameters
    ----------
    time_s : float
        When the counters were all 0, by a monotonic clock.
    """

    def __init__(self, time_s: float) -> None:
        self._lock = threading.Lock()
        self._start = _Sample(time_s, {})
        self._before = self._start
        self._last = self._start

    def take(self, time_s: float, totals: Mapping[str, int]) -> tuple[Rates, Rates]:
        """Return the rates since the start and those of the last while.

        Parameters
        ----------
        time_s : float
            Now.
        totals : mapping of str to int
            The counters now.
        """
        now = _Sample(time_s, totals)
        with self._lock:
            if time_s - self._last.time_s >= limits.RATE_INTERVAL_S:
                self._before, self._last = self._last, now
            since = self._before
        return _rates(self._start, now), _rates(since, now)


def _rates(begin: _Sample, end: _Sample) -> Rates:
    time_s = max(0.0, end.time_s - begin.time_s)
    return Rates(
        time_s,
        {
            name: (total - begin.totals.get(name, 0)) / time_s if time_s else 0.0
            for name, total in end.totals.items()
        },
    )
