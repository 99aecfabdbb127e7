"""Figures of a server as NumPy arrays, for programs that plot or compare them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["counter_array", "latency_arrays"]


class _Counting(Protocol):
    """A `MessageServer`, or a service that has one."""

    def threads(self) -> list[dict[str, int]]: ...

    def latencies(self) -> dict[str, bytes]: ...


def latency_arrays(server: _Counting) -> dict[str, npt.NDArray[np.uint64]]:
    """Return the latency histograms of a server.

    Parameters
    ----------
    server : MessageServer

    Returns
    -------
    dict of str to ndarray
        ``received``, ``waited`` and ``handled``, each of shape (592,): messages
        in each bucket. `edgelake.wire.bucket_bounds` has the buckets' times.
    """
    return {
        name: np.frombuffer(histogram, dtype=np.uint64)
        for name, histogram in server.latencies().items()
    }


def counter_array(server: _Counting) -> npt.NDArray[np.void]:
    """Return the counters of each I/O thread of a server.

    Parameters
    ----------
    server : MessageServer

    Returns
    -------
    ndarray
        Shape (threads,), a field of type ``int64`` for each counter, by the
        names of `MessageServer.threads`; none of them before the start.
    """
    threads = server.threads()
    names = list(threads[0]) if threads else []
    rows = [tuple(thread[name] for name in names) for thread in threads]
    return np.array(rows, dtype=[(name, np.int64) for name in names])
