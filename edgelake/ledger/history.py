"""The last changes of the master's ledger, kept for others that follow this node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgelake import limits
from edgelake.errors import LedgerInvalid
from edgelake.interfaces import LogEntry, LogPosition

__all__ = ["History", "chained", "with_chains"]


class History:
    """Changes that lead from one place of a log to the one the ledger is at.

    Parameters
    ----------
    start : LogPosition or None
        Where the ledger is; ``None`` if that is not known.

    Notes
    -----
    For one thread at a time. At most `limits.MAX_LEDGER_HISTORY_ENTRIES` changes with
    `limits.MAX_LEDGER_HISTORY_CHARS` characters; older ones go first.
    """

    __slots__ = ("_chars", "_entries", "_first", "_start", "place")

    def __init__(self, start: LogPosition | None = None) -> None:
        self.place = start
        self._start = start
        self._entries: list[LogEntry] = []
        self._first = 0
        self._chars = 0

    @property
    def start(self) -> LogPosition | None:
        """The first place of which all later changes are known."""
        return self._start

    def entries(self) -> list[LogEntry]:
        """Return all changes since `start`."""
        return self._entries[self._first :]

    def add(self, entries: Sequence[LogEntry]) -> None:
        """Add changes, each with its chain, that follow the last one."""
        if self.place is None or not entries:
            return
        self._entries += entries
        self._chars += sum(len(entry.policy) for entry in entries)
        self.place = LogPosition(self.place.epoch, entries[-1].seq, entries[-1].chain)
        while (
            len(self._entries) - self._first > limits.MAX_LEDGER_HISTORY_ENTRIES
            or self._chars > limits.MAX_LEDGER_HISTORY_CHARS
        ):
            oldest = self._entries[self._first]
            self._first += 1
            self._chars -= len(oldest.policy)
            self._start = LogPosition(self.place.epoch, oldest.seq, oldest.chain)
        if self._first > len(self._entries) // 2:
            del self._entries[: self._first]
            self._first = 0

    def after(self, place: LogPosition, count: int, size_chars: int) -> tuple[LogEntry, ...] | None:
        """Return the changes that follow a place, ``None`` if it is not a known one.

        Parameters
        ----------
        place : LogPosition
        count : int
            Most entries that are returned.
        size_chars : int
            Most characters of their policies; one entry is returned however long it is.
        """
        start, end = self._start, self.place
        if start is None or end is None or place.epoch != end.epoch:
            return None
        if not start.seq <= place.seq <= end.seq:
            return None
        at = self._first + place.seq - start.seq
        chain = start.chain if at == self._first else self._entries[at - 1].chain
        if chain != place.chain:
            return None
        found: list[LogEntry] = []
        for entry in self._entries[at : at + count]:
            size_chars -= len(entry.policy)
            if found and size_chars < 0:
                break
            found.append(entry)
        return tuple(found)


def chained(place: LogPosition, entries: Sequence[LogEntry], end: LogPosition) -> list[LogEntry]:
    """Return changes with their chains, checked to lead from one place to another.

    Raises
    ------
    LedgerInvalid
        They do not.
    """
    found = with_chains(place, entries)
    last = found[-1] if found else place
    if LogPosition(place.epoch, last.seq, last.chain) != end:
        raise LedgerInvalid("the changes do not lead to the place that the master named")
    return found


def with_chains(place: LogPosition, entries: Sequence[LogEntry]) -> list[LogEntry]:
    """Return changes that follow a place, with their chains; see `chained`."""
    seq, chain = place.seq, place.chain
    found: list[LogEntry] = []
    for entry in entries:
        seq += 1
        chain = entry.chained(chain)
        if entry.seq != seq or (entry.chain and entry.chain != chain):
            raise LedgerInvalid(f"change {entry.seq} does not follow the one before it")
        found.append(replace(entry, chain=chain))
    return found
