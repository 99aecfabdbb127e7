"""Changes that wait for a database are stored together, with one commit for all of them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from edgelake import limits
from edgelake.errors import Overloaded

__all__ = ["Change", "GroupCommit"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One change that waits.

    Attributes
    ----------
    work : callable
        Makes the change inside the transaction of its group and returns what is to be
        told of it, or raises what forbids it, with nothing changed.
    size_chars : int
        What it holds in memory until it is done.
    done : Future
        Gets what ``work`` returned when the commit that holds it has succeeded.
    """

    work: Callable[[], Any]
    size_chars: int = 0
    done: Future[Any] = field(default_factory=Future)


class GroupCommit:
    """The queue before a database, and the one thread at a time that stores what is in it.

    Parameters
    ----------
    carry_out : callable
        Stores changes, in order, and ends each one's ``done``.

    Notes
    -----
    Thread-safe. Whoever waits for its own change and finds nobody at work stores it at
    once. While one group is being stored the next one gathers: there is no delay, and under
    load no commit for each change. A thread stores what nobody waits for; it ends when
    nothing came for `limits.LEDGER_WRITER_LINGER_S`.
    """

    def __init__(self, carry_out: Callable[[Sequence[Change]], None]) -> None:
        self._carry_out = carry_out
        self._changed = threading.Condition()
        self._waiting: deque[Change] = deque()
        self._open = 0
        self._held_chars = 0
        self._busy = False
        self._thread: threading.Thread | None = None

    @property
    def open(self) -> int:
        """How many changes wait, or are being stored."""
        return self._open

    def submit(self, *changes: Change, waits: bool = False) -> None:
        """Have changes stored, in this order.

        Parameters
        ----------
        waits : bool
            The caller is about to wait for them, and may store them itself.

        Raises
        ------
        Overloaded
            Too much waits already: none of them will be stored.
        """
        size = sum(change.size_chars for change in changes)
        with self._changed:
            self._check_room(len(changes), size)
            self._waiting.extend(changes)
            self._open += len(changes)
            self._held_chars += size
            lead = waits and not self._busy
            if lead:
                self._busy = True
            else:
                self._wake()
        if lead:
            self._round()

    def _check_room(self, count: int, size: int) -> None:
        if self._open and (
            self._open + count > limits.MAX_WAITING_LEDGER_CHANGES
            or self._held_chars + size > limits.MAX_WAITING_LEDGER_CHARS
        ):
            raise Overloaded(
                f"{self._open} changes of {self._held_chars} characters wait for the database",
                hint="send it again later",
            )

    def _round(self) -> None:
        """Store one group; the caller has made itself the only one that does."""
        group = self._next()
        try:
            self._carry_out(group)
        except BaseException as exc:
            _log.exception("changes of the ledger were not stored")
            for change in group:
                if not change.done.done():
                    change.done.set_exception(exc)
        finally:
            with self._changed:
                self._busy = False
                self._open -= len(group)
                self._held_chars -= sum(change.size_chars for change in group)
                self._wake()

    def _next(self) -> list[Change]:
        """Take the changes that are stored together, oldest first."""
        group: list[Change] = []
        size = 0
        with self._changed:
            while self._waiting and len(group) < limits.MAX_LEDGER_GROUP:
                size += self._waiting[0].size_chars
                if group and size > limits.MAX_LEDGER_GROUP_CHARS:
                    break
                group.append(self._waiting.popleft())
        return group

    def _wake(self) -> None:
        """See to it that somebody takes what waits; with the lock held."""
        if not self._waiting or self._busy:
            return
        if self._thread is not None:
            self._changed.notify()
            return
        thread = threading.Thread(target=self._serve, name="ledger-writer", daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:
            # The system has no thread left: the next change tries again.
            _log.warning("changes of the ledger have to wait: %s", exc)
            return
        self._thread = thread

    def _serve(self) -> None:
        while True:
            with self._changed:
                due = self._changed.wait_for(
                    lambda: self._waiting and not self._busy, limits.LEDGER_WRITER_LINGER_S
                )
                if not due:
                    self._thread = None
                    return
                self._busy = True
            self._round()
