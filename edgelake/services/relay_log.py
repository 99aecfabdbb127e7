"""What a relay remembers of its master's log: the last entries, in memory and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from edgelake import limits
from edgelake.interfaces import LogEntry, LogPosition

__all__ = ["RelayLog"]


class RelayLog:
    """Entries behind a place, gap-free; used under its owner's lock.

    Attributes
    ----------
    head : LogPosition or None
        Where the log is; ``None`` if that is not known.

    Notes
    -----
    Holds at most `limits.MAX_LEDGER_LOG_ENTRIES` and `limits.MAX_RELAY_LOG_CHARS`. Who is
    further back gets the whole ledger, as from a master.
    """

    def __init__(self) -> None:
        self.head: LogPosition | None = None
        self._before = LogPosition("", 0, "")
        self._entries: deque[LogEntry] = deque()
        self._chars = 0

    def __len__(self) -> int:
        """Return how many entries are remembered."""
        return len(self._entries)

    def begin(self, place: LogPosition | None) -> None:
        """Begin at a place; what was before it is not known."""
        self.head = place
        self._before = place or LogPosition("", 0, "")
        self._entries.clear()
        self._chars = 0

    def extend(self, entries: Sequence[LogEntry], place: LogPosition) -> None:
        """Add entries that lead from the head to a place; others begin the log anew."""
        head = self.head
        if (
            head is None
            or head.epoch != place.epoch
            or not entries
            or entries[0].seq != head.seq + 1
            or entries[-1].seq != place.seq
        ):
            self.begin(place)
            return
        chain = head.chain
        for entry in entries:
            chain = entry.chained(chain)
            self._entries.append(
                LogEntry(entry.seq, entry.op, entry.policy_id, entry.after_id, entry.policy, chain)
            )
            self._chars += len(entry.policy)
        if chain != place.chain:
            self.begin(place)
            return
        self.head = place
        while (
            len(self._entries) > limits.MAX_LEDGER_LOG_ENTRIES
            or self._chars > limits.MAX_RELAY_LOG_CHARS
        ):
            oldest = self._entries.popleft()
            self._chars -= len(oldest.policy)
            self._before = LogPosition(place.epoch, oldest.seq, oldest.chain)

    def after(self, epoch: str, seq: int, chain: str) -> tuple[LogEntry, ...] | None:
        """Return the next entries, as many as one answer holds; ``None`` if it is not here."""
        head, before = self.head, self._before
        if head is None or epoch != head.epoch or not before.seq <= seq <= head.seq:
            return None
        at = seq - before.seq
        known = self._entries[at - 1].chain if at else before.chain
        if known != chain:
            return None
        found: list[LogEntry] = []
        room = limits.MAX_LEDGER_ANSWER_CHARS
        for entry in islice(self._entries, at, at + limits.MAX_LEDGER_ENTRIES_PER_ANSWER):
            room -= len(entry.policy)
            if found and room < 0:
                break
            found.append(entry)
        return tuple(found)
