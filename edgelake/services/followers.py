"""Followers that asked this node for changes, and are told once when there are any."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edgelake import limits
from edgelake.errors import EdgeLakeError
from edgelake.interfaces import LogPosition
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint

__all__ = ["Followers"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """By which session a follower asked, and how far the log went that it was told of."""

    session: int
    place: LogPosition | None

    def lacks(self, head: LogPosition) -> bool:
        """Return whether a log that goes so far is news."""
        place = self.place
        return place is None or place.epoch != head.epoch or place.seq < head.seq


class Followers:
    """Who asked, and was not told since. Thread-safe.

    Parameters
    ----------
    tcp : callable
        Returns the running TCP service, ``None`` if there is none.

    Attributes
    ----------
    changes : int
        How often there was news.
    told : int
        How many messages of it were sent.

    Notes
    -----
    A follower is told once after each time it asked, so that a burst of changes costs one
    message each. One thread tells them all, whoever changes the ledger: it begins with the
    first change that somebody waits for, and pauses after many, who all ask then.
    At most `limits.MAX_LEDGER_FOLLOWERS` wait: the oldest one gives way, and asks when its
    own interval has passed.
    """

    def __init__(self, tcp: Callable[[], TcpService | None]) -> None:
        self._tcp = tcp
        self._changed = threading.Condition()
        self._waiting: dict[tuple[Endpoint, str], _Waiting] = {}
        self._head: LogPosition | None = None
        self._due = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self.changes = 0
        self.told = 0

    @property
    def count(self) -> int:
        """How many wait to be told."""
        return len(self._waiting)

    def note(
        self, peer: Endpoint, ip: str, session: int, place: LogPosition | None, changes: int
    ) -> None:
        """Remember who asks.

        Parameters
        ----------
        changes : int
            The attribute, before the answer was looked up.
        place : LogPosition or None
            How far the log goes by the answer; ``None``: it says nothing of a log.
        """
        key, waiting = (peer, ip), _Waiting(session, place)
        with self._changed:
            self._waiting.pop(key, None)
            while len(self._waiting) >= limits.MAX_LEDGER_FOLLOWERS:
                del self._waiting[next(iter(self._waiting))]
            self._waiting[key] = waiting
            # What came between the look at the log and this moment is told now.
            head = self._head
            if changes != self.changes and head is not None and waiting.lacks(head):
                self._wake()

    def tell(self, head: LogPosition | None) -> None:
        """Tell all who wait that the log goes so far; does not block."""
        with self._changed:
            self._head = head
            self.changes += 1
            if self._waiting and head is not None:
                self._wake()

    def close(self) -> None:
        """Tell nobody any more; may be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(limits.STOP_TIMEOUT_S)

    # ----------------------------------------------------------------- parts

    def _wake(self) -> None:
        """Have them told; under the lock."""
        self._due = True
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="ledger-news", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._due or self._closed)
                if self._closed:
                    return
                self._due, head = False, self._head
                told = self._taken_out(head) if head is not None else {}
            if head is None or not told:
                continue
            try:
                self._send(head, told)
            except Exception:
                # A fault of ours in one round must not end the telling for good.
                _log.exception("followers were not told of change %d", head.seq)
            pause_s = min(len(told) * limits.LEDGER_TELL_PAUSE_S, limits.MAX_LEDGER_TELL_PAUSE_S)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, pause_s)

    def _taken_out(self, head: LogPosition) -> dict[tuple[Endpoint, str], _Waiting]:
        told = {key: waiting for key, waiting in self._waiting.items() if waiting.lacks(head)}
        for key in told:
            del self._waiting[key]
        return told

    def _send(self, head: LogPosition, told: dict[tuple[Endpoint, str], _Waiting]) -> None:
        service = self._tcp()
        if service is None:
            return
        peers = ((peer, ip, waiting.session) for (peer, ip), waiting in told.items())
        try:
            self.told += service.tell(f"event ledger_changed {head.epoch} {head.seq}", peers)
        except EdgeLakeError:
            # The TCP server stops: they ask when their interval has passed.
            return
