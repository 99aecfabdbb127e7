"""Files of other nodes that this node has asked for: each is taken under its name only."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from edgelake import limits
from edgelake.errors import Overloaded

__all__ = ["Transfers"]

Arrived = Callable[[str, bytes], bool]
"""Takes the last part of a file's name and its content; returns whether it was wanted."""


class Transfers:
    """Which files are awaited. Thread-safe.

    A request names a place of its own that nobody can guess, `expect`. What comes under
    this name is handed over; every other file was not asked for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._awaited: dict[str, Arrived] = {}

    def expect(self, arrived: Arrived) -> str:
        """Return the folder under whose name files will be taken until `forget`.

        Parameters
        ----------
        arrived : callable
            Called with each file on the thread that received it; must not raise.

        Raises
        ------
        Overloaded
            `limits.MAX_OPEN_TRANSFERS` requests wait already.
        """
        place = f"/edgelake/{secrets.token_hex(12)}"
        with self._lock:
            if len(self._awaited) >= limits.MAX_OPEN_TRANSFERS:
                raise Overloaded(f"{limits.MAX_OPEN_TRANSFERS} requests for files wait already")
            self._awaited[place] = arrived
        return place

    def forget(self, place: str) -> None:
        """Take no more files for a request; may be called twice."""
        with self._lock:
            self._awaited.pop(place, None)

    def take(self, name: str, content: bytes) -> bool:
        """Hand over a file that came; return whether it was asked for."""
        place, slash, last = name.rpartition("/")
        with self._lock:
            arrived = self._awaited.get(place)
        return bool(slash and arrived is not None and arrived(last, content))
