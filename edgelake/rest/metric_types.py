"""The form of a metric: what it is called, what it means, and where its value is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import Literal, TypeAlias

from edgelake.rest.reading import Reading
from edgelake.wire import bucket_bounds, counts_of

__all__ = ["Buckets", "Metric", "Value", "buckets_of", "buckets_of_latency"]

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

_SHORTEST_BITS = 13  # 8 µs
_LONGEST_BITS = 35  # 34 s


@dataclass(frozen=True, slots=True)
class Buckets:
    """A histogram as Prometheus takes it.

    Attributes
    ----------
    counts : tuple of (str, float)
        Upper bound in seconds, the last one ``+Inf``, and how many are not above it.
    total_s : float
        All times together.
    """

    counts: tuple[tuple[str, float], ...]
    total_s: float


Value: TypeAlias = "float | Buckets"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name : str
        As Prometheus shows it; a counter ends with ``_total``.
    kind : str
    help : str
    read : callable
        Returns its value; ``None`` if the node has none now; for one with labels the value of
        each tuple of their values, which the node chose and no peer.
    labels : tuple of str
    """

    name: str
    kind: Kind
    help: str
    read: Callable[[Reading], Value | Mapping[tuple[str, ...], Value | None] | None]
    labels: tuple[str, ...] = ()

    def values(self, reading: Reading) -> dict[tuple[str, ...], Value]:
        """Return the values that it has now, by the values of its labels."""
        found = self.read(reading)
        if not isinstance(found, Mapping):
            found = {(): found}
        return {labels: value for labels, value in found.items() if value is not None}


def buckets_of(bounds_s: Sequence[float], counts: Sequence[int], total_s: float) -> Buckets:
    """Return a histogram.

    Parameters
    ----------
    bounds_s : sequence of float
        Longest time of each part but the last.
    counts : sequence of int
        How many there are in each part.
    """
    names = [*(repr(bound) for bound in bounds_s), "+Inf"]
    return Buckets(tuple(zip(names, accumulate(counts), strict=True)), total_s)


def buckets_of_latency(histogram: bytes) -> Buckets:
    """Return a native histogram with one bucket for each doubling, from 8 µs to 34 s.

    Its sum is that of the middles of its 592 parts, and so at most 1/32 wrong.
    """
    counts = counts_of(histogram)
    parts = [sum(counts[begin:end]) for begin, end in _PARTS]
    return buckets_of(_BOUNDS_S, parts, sum(map(mul, counts, _MIDDLES_S)))


def _middles_s() -> tuple[float, ...]:
    bounds = bucket_bounds()
    return tuple(
        (shortest + longest) / 2e9
        for shortest, longest in zip((0, *(b + 1 for b in bounds)), bounds, strict=False)
    )


def _parts() -> tuple[tuple[int, int], ...]:
    """Return which parts of a native histogram make each bucket."""
    bounds = bucket_bounds()
    ends = [bounds.index((1 << bits) - 1) + 1 for bits in range(_SHORTEST_BITS, _LONGEST_BITS + 1)]
    return tuple(zip((0, *ends), (*ends, len(bounds)), strict=True))


_BOUNDS_S = tuple((1 << bits) / 1e9 for bits in range(_SHORTEST_BITS, _LONGEST_BITS + 1))
_MIDDLES_S = _middles_s()
_PARTS = _parts()
