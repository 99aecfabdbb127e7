"""Who guesses passwords is slowed, by the address he calls from and by the name he tries."""

from __future__ import annotations

import threading
import time

from edgelake import limits
from edgelake.errors import TooManyCalls
from edgelake.services.buckets import Buckets

__all__ = ["Guesses"]


class Guesses:
    """Counts wrong passwords. Thread-safe.

    An attempt is counted when it begins and forgiven if it was right, so that many at once
    are no way around. An address that has failed too often waits. So does one that has failed
    at all, for a name that fails everywhere; an address that has not failed gets its attempt
    even then: guesses from elsewhere do not lock a user out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._addresses = Buckets(
            limits.LOGIN_FAILURES_OF_ADDRESS,
            limits.LOGIN_FAILURES_OF_ADDRESS / limits.LOGIN_WINDOW_S,
            limits.MAX_REST_ADDRESSES,
        )
        self._names = Buckets(
            limits.LOGIN_FAILURES_OF_USER,
            limits.LOGIN_FAILURES_OF_USER / limits.LOGIN_WINDOW_S,
            limits.MAX_REST_ADDRESSES,
        )

    def begin(self, address: str, name: str = "") -> None:
        """Count an attempt.

        Parameters
        ----------
        name : str
            Of the user; empty for a token, which is of nobody before it is known.

        Raises
        ------
        TooManyCalls
            It may not be made now.
        """
        now = time.monotonic()
        with self._lock:
            failed = not self._addresses.full(address, now)
            wait_s = self._addresses.wait_s(address, now)
            if name and failed:
                wait_s = max(wait_s, self._names.wait_s(name, now))
            if not wait_s:
                self._addresses.take(address, now)
                if name:
                    self._names.take(name, now)
        if wait_s:
            raise TooManyCalls(
                "too many wrong passwords or tokens",
                retry_after_s=wait_s,
                hint="wait, and then send the right one",
            )

    def forgive(self, address: str, name: str = "") -> None:
        """Take an attempt back that was right, or not made."""
        now = time.monotonic()
        with self._lock:
            self._addresses.give_back(address, now)
            if name:
                self._names.give_back(name, now)
