"""What charts are drawn from: rates and latencies of the last minutes, one sample after another."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from edgelake import limits
from edgelake.services.rest import RestService
from edgelake.services.tcp import TcpService
from edgelake.wire import bucket_bounds, counts_of

__all__ = ["Sample", "Samples"]


@dataclass(frozen=True, slots=True)
class Sample:
    """What happened between the sample before and this one.

    Attributes
    ----------
    number : int
        From 1; each is one more than the one before.
    time_s : float
        When it was taken, in seconds of `time.time`.
    messages_in_per_s, messages_out_per_s, calls_per_s : float
        Messages of the TCP server, and calls of the REST server.
    handled : int
        Messages that handlers were done with.
    p50_us, p99_us : float or None
        Microseconds from the last byte of a message until its handler was done, for 50 and
        99 % of them; ``None`` if there were none.
    connections, rest_connections : int
        That are open.
    """

    number: int
    time_s: float
    messages_in_per_s: float
    messages_out_per_s: float
    calls_per_s: float
    handled: int
    p50_us: float | None
    p99_us: float | None
    connections: int
    rest_connections: int


class Samples:
    """The newest samples of a node, at most `limits.MAX_SAMPLES`; one for all who look.

    Notes
    -----
    Thread-safe. It has no thread: who has a clock calls `take`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Sample] = deque(maxlen=limits.MAX_SAMPLES)
        self._time_s = 0.0
        self._totals: Mapping[str, int] = {}
        self._counts: list[int] = []
        self._tcp: TcpService | None = None
        self._number = 0

    def take(self, tcp: TcpService | None, rest: RestService) -> None:
        """Take a sample; the first call only notes where to begin."""
        now_s = time.monotonic()
        figures = tcp.figures() if tcp else {}
        server, sender = figures.get("server", {}), figures.get("sender", {})
        calls = rest.figures()
        totals = {
            "in": server.get("messages", 0),
            "out": sender.get("sent", 0) + server.get("session_answers", 0),
            "calls": calls["calls"],
        }
        histogram = tcp.latencies().get("handled") if tcp else None
        counts = list(counts_of(histogram)) if histogram else []
        with self._lock:
            # Another server began to count anew.
            fresh = tcp is not self._tcp
            before = {"calls": self._totals.get("calls", 0)} if fresh else self._totals
            known = [] if fresh else self._counts
            passed_s = now_s - self._time_s
            first = not self._time_s
            self._time_s, self._totals, self._counts, self._tcp = now_s, totals, counts, tcp
            if first or passed_s <= 0:
                return
            per_s = {
                key: max(0.0, (value - before.get(key, 0)) / passed_s)
                for key, value in totals.items()
            }
            new = [now - then for now, then in zip(counts, known, strict=True)] if known else counts
            self._number += 1
            self._kept.append(
                Sample(
                    self._number,
                    time.time(),
                    round(per_s["in"], 3),
                    round(per_s["out"], 3),
                    round(per_s["calls"], 3),
                    sum(new),
                    _within(new, 0.5),
                    _within(new, 0.99),
                    server.get("connections", 0),
                    calls["connections"],
                )
            )

    def since(self, number: int) -> list[Sample]:
        """Return the samples after a number, the oldest first."""
        with self._lock:
            return [sample for sample in self._kept if sample.number > number]

    @property
    def last(self) -> Sample | None:
        """The newest sample, ``None`` before the first."""
        with self._lock:
            return self._kept[-1] if self._kept else None


def _within(counts: list[int], part: float) -> float | None:
    """Return the microseconds within which a part of what was counted was done."""
    wanted = part * sum(counts)
    seen = 0
    for bound, count in zip(bucket_bounds(), counts, strict=False):
        seen += count
        if count and seen >= wanted:
            return bound / 1000
    return None
