"""What is read of the log beside the table ``ledger``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from edgelake.interfaces import LogEntry, LogPosition
from edgelake.storage.ledger_table import LedgerTable

__all__ = ["LedgerEntries", "LedgerRead"]


@dataclass(frozen=True, slots=True)
class LedgerRead:
    """The table as it was at one position.

    Attributes
    ----------
    position : LogPosition or None
        ``None`` if the database was too busy to bring the log up to date.
    ids, lines : tuple of str
        Policies in the order of the ledger.
    faults : tuple of str
        Why stored rows are left out.
    scans : int
        `SequencedLedger.scans` when it was read.
    version : object
        What `LedgerTable.version` says as long as the table is like that.
    """

    position: LogPosition | None
    ids: tuple[str, ...]
    lines: tuple[str, ...]
    faults: tuple[str, ...]
    scans: int
    version: object


class LedgerEntries(LedgerTable, ABC):
    """The table ``ledger`` with the log of its changes, as far as these are only looked at."""

    @abstractmethod
    def position(self) -> LogPosition:
        """Return how far the log goes, after what other programs did has become entries.

        Raises
        ------
        DatabaseError
        """

    def entries(
        self, epoch: str, seq: int, chain: str, *, count: int, size_chars: int
    ) -> tuple[LogEntry, ...] | None:
        """Return what follows an entry, oldest first.

        Parameters
        ----------
        epoch, seq, chain
            A position: of this log, or of any other.
        count : int
            Most entries.
        size_chars : int
            Most characters of policies, but at least one entry.

        Returns
        -------
        tuple of LogEntry or None
            ``None`` if this log does not go on from there.
        """
        head = self.position()
        if epoch != head.epoch or not 0 < seq <= head.seq:
            return None
        known = self._database.query("SELECT chain FROM ledger_log WHERE seq = ?", (seq,))
        if not known or known[0][0] != chain:
            return None
        rows = self._database.query(
            "SELECT seq, op, policy_id, after_id, policy, chain FROM ledger_log"
            " WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            (seq, head.seq, count),
        )
        found: list[LogEntry] = []
        for row in rows:
            size_chars -= len(row[4])
            if found and size_chars < 0:
                break
            found.append(LogEntry(*row))
        return tuple(found)

    def latest(self, before: int, *, policy_id: str | None = None, count: int) -> list[LogEntry]:
        """Return entries before a number, the newest first.

        Parameters
        ----------
        before : int
            0 begins with the last entry.
        policy_id : str or None
            Changes of this policy only.
        count : int
            Most entries.

        Raises
        ------
        DatabaseError
        """
        head = self.position()
        last = min(head.seq, before - 1) if before else head.seq
        of_one = "" if policy_id is None else " AND policy_id = ?"
        given = (last,) if policy_id is None else (last, policy_id)
        rows = self._database.query(
            "SELECT seq, op, policy_id, after_id, policy, chain FROM ledger_log"
            f" WHERE seq <= ?{of_one} ORDER BY seq DESC LIMIT ?",
            (*given, count),
        )
        return [LogEntry(*row) for row in rows]
