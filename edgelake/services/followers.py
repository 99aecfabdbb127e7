"""Followers that asked this node for changes, and are told once when there are any."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgelake import limits
from edgelake.interfaces import LogPosition
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint

__all__ = ["Followers"]


class Followers:
    """Who asked, and was not told since. Thread-safe.

    Notes
    -----
    A follower is told once after each time it asked, so that a burst of changes costs one
    message each. At most `limits.MAX_LEDGER_FOLLOWERS`: the oldest one then waits
    for its own interval. Nobody here holds a thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[Endpoint, str], int] = {}
        self.told = 0

    @property
    def count(self) -> int:
        """How many wait to be told."""
        return len(self._waiting)

    def note(self, peer: Endpoint, ip: str, session: int) -> None:
        """Remember who asks; to be called before the answer is looked up."""
        key = (peer, ip)
        with self._lock:
            self._waiting.pop(key, None)
            while len(self._waiting) >= limits.MAX_LEDGER_FOLLOWERS:
                del self._waiting[next(iter(self._waiting))]
            self._waiting[key] = session

    def tell(self, tcp: Callable[[], TcpService | None], head: LogPosition | None) -> None:
        """Tell all that there is news; does not block."""
        if head is None:
            return
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        service = tcp() if waiting else None
        if service is None:
            return
        command = f"event ledger_changed {head.epoch} {head.seq}"
        # Who is not reached asks by itself when its interval has passed.
        self.told += service.tell(
            command, ((peer, ip, session) for (peer, ip), session in waiting.items())
        )
