"""Reading of latency histograms, as the native server keeps them; without NumPy.

A histogram counts times in buckets: 16 to each doubling, so that a time read
from it is at most 1/16 too long, whatever its size. Its form is that of
`MessageServer.latencies`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["BUCKETS", "Latency", "bucket_bounds", "counts_of", "percentile"]

_SUB_BITS = 4
_SUB_BUCKETS = 1 << _SUB_BITS
_MOST_BITS = 40  # 18 minutes; longer times count as that

BUCKETS = (_MOST_BITS - _SUB_BITS + 1) * _SUB_BUCKETS
"""Buckets of a histogram: 592. Source: ``pyx/edgelake/_native/histogram.pxd``."""


def _longest(bucket: int) -> int:
    if bucket < _SUB_BUCKETS:
        return bucket
    doubling, part = divmod(bucket, _SUB_BUCKETS)
    return ((part + _SUB_BUCKETS + 1) << (doubling - 1)) - 1


_BOUNDS = tuple(_longest(bucket) for bucket in range(BUCKETS))


def bucket_bounds() -> tuple[int, ...]:
    """Return the longest time that each bucket counts, in nanoseconds.

    The last bucket counts longer ones as well.
    """
    return _BOUNDS


def counts_of(histogram: bytes) -> memoryview[int]:
    """Return the counts of a histogram, one for each bucket, not copied.

    Parameters
    ----------
    histogram : bytes
        A value of `MessageServer.latencies`.
    """
    return memoryview(histogram).cast("Q")


def percentile(histogram: bytes, part: float) -> int | None:
    """Return the time within which a part of all messages was done.

    Parameters
    ----------
    histogram : bytes
        A value of `MessageServer.latencies`.
    part : float
        0 < ``part`` <= 1; for example 0.99.

    Returns
    -------
    int or None
        Nanoseconds, at most 1/16 too many; ``None`` when nothing was counted.
    """
    counts = counts_of(histogram)
    return _at(counts, math.ceil(part * sum(counts)))


def _at(counts: memoryview[int], rank: int) -> int | None:
    """Return the time of the message that comes at ``rank``, from 1, in order of time."""
    seen = 0
    for bound, count in zip(_BOUNDS, counts, strict=True):
        seen += count
        if count and seen >= rank:
            return bound
    return None


@dataclass(frozen=True, slots=True)
class Latency:
    """What a histogram says, in short; times are ``None`` when nothing was counted.

    Attributes
    ----------
    count : int
        Messages.
    p50_us, p90_us, p99_us, p999_us : float or None
        Microseconds within which 50, 90, 99 and 99.9 % of them were done.
    max_us : float or None
        Microseconds within which all of them were.
    """

    count: int
    p50_us: float | None
    p90_us: float | None
    p99_us: float | None
    p999_us: float | None
    max_us: float | None

    @classmethod
    def of(cls, histogram: bytes) -> Latency:
        """Return the summary of a value of `MessageServer.latencies`."""
        counts = counts_of(histogram)
        total = sum(counts)
        times = (_at(counts, math.ceil(part * total)) for part in (0.5, 0.9, 0.99, 0.999, 1))
        return cls(total, *(None if time is None else time / 1000 for time in times))
