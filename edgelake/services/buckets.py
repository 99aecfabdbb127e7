"""Allowances that are used up and grow back: token buckets, one for each of many keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

__all__ = ["Buckets"]


class Buckets:
    """One allowance for each key; memory is bounded. For one thread at a time.

    Parameters
    ----------
    room : float
        What a key has that was silent for long.
    per_s : float
        What it gets back each second, up to ``room``.
    most : int
        Keys that are told apart; the longest unused is forgotten first, and begins anew.

    Notes
    -----
    Times are of one monotonic clock, in seconds.
    """

    def __init__(self, room: float, per_s: float, most: int) -> None:
        self.room = room
        self.per_s = per_s
        self._most = most
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many keys are told apart."""
        return len(self._left)

    def full(self, key: Hashable, now: float) -> bool:
        """Return whether all of the allowance is there."""
        return self._of(key, now) >= self.room

    def wait_s(self, key: Hashable, now: float) -> float:
        """Return how long it takes until one can be taken, 0 for at once."""
        return max(0.0, (1.0 - self._of(key, now)) / self.per_s)

    def take(self, key: Hashable, now: float) -> float:
        """Take one; return 0, or, if none is there, how long that takes in seconds."""
        left = self._of(key, now)
        if left < 1.0:
            return max((1.0 - left) / self.per_s, 1e-9)
        self._left[key] = (left - 1.0, now)
        self._left.move_to_end(key)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return 0.0

    def give_back(self, key: Hashable, now: float) -> None:
        """Put one back that was taken."""
        left = self._of(key, now) + 1.0
        if left >= self.room:
            self._left.pop(key, None)
        else:
            self._left[key] = (left, now)

    def _of(self, key: Hashable, now: float) -> float:
        left, at = self._left.get(key, (self.room, now))
        return min(self.room, left + (now - at) * self.per_s)
