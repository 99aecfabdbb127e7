"""The sequenced log beside the table ``ledger``: every change has its number.

Three tables of ours stand beside the compatible one: ``ledger_log`` (the entries),
``ledger_head`` (whose log this is, and how far it goes) and ``ledger_shown`` (what the
log says that the table holds). A change and its entry are one transaction. What another
program did to the table is found by comparing and becomes entries too.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from edgelake import limits
from edgelake.errors import DatabaseError, PolicyConflict, PolicyRowMissing
from edgelake.interfaces import LogEntry, LogPosition, PolicyRow
from edgelake.storage.engine import Database
from edgelake.storage.ledger_entries import LedgerEntries, LedgerRead
from edgelake.storage.ledger_past import INDEX, stored_later, stored_once

__all__ = ["SequencedLedger"]

_CREATE = {
    "ledger_head": "CREATE TABLE ledger_head"
    " (id integer primary key, epoch varchar not null, seq bigint not null,"
    " chain varchar not null)",
    "ledger_log": "CREATE TABLE ledger_log"
    " (seq bigint primary key, op varchar not null, policy_id varchar not null,"
    " after_id varchar not null, policy varchar not null, chain varchar not null)",
    "ledger_shown": "CREATE TABLE ledger_shown"
    " (policy_id varchar primary key, digest varchar not null)",
}
_ROWS = "SELECT policy_id, policy, date, sequence_id FROM ledger ORDER BY date, sequence_id"
_BEFORE = (
    "SELECT l.policy_id FROM ledger l JOIN ledger_shown s ON s.policy_id = l.policy_id"
    " WHERE l.date <= ? AND (l.date < ? OR l.sequence_id < ?)"
    " ORDER BY l.date DESC, l.sequence_id DESC LIMIT 1"
)
_REPLACE = (
    "UPDATE ledger SET policy_type = ?, company_name = ?, date = ?, host = ?, status = ?,"
    " policy = ? WHERE policy_id = ?"
)
_START = "0" * 32
_READS = 3


class SequencedLedger(LedgerEntries):
    """The table ``ledger`` with a gap-free number for each change.

    Parameters
    ----------
    database : Database
        Stays the caller's.
    fault : callable
        Says of an id and the text of its row why it is no entry of the ledger, or
        returns ``None``. Such rows stay in the table and get no number.

    Notes
    -----
    Thread-safe. Changes of other programs, and those of `replace_all`, are noticed by
    the database's version and numbered before anything else is. Who looks does not wait
    for who changes, nor for the lock of another program.

    Attributes
    ----------
    scans : int
        Differs after the whole table was compared with the log.
    """

    def __init__(self, database: Database, fault: Callable[[str, object], str | None]) -> None:
        super().__init__(database)
        self._fault = fault
        self._turn = threading.RLock()
        self._grouped = False
        self._noted = False
        # Where the log ends for who has the turn, and what all others know of it.
        self._head: LogPosition | None = None
        self._known: tuple[LogPosition, object] | None = None
        self._retry_s = 0.0
        self.scans = 0

    # -------------------------------------------------------------- changes

    @contextmanager
    def group(self) -> Iterator[None]:
        """Make one transaction of all changes that this thread makes inside.

        A change that is refused leaves nothing behind, and those before it stand. After any
        other `DatabaseError` the block has to end with it.

        Raises
        ------
        DatabaseError
            None of the changes is stored.
        """
        with self._turn, self.explained(), self._transaction():
            self._grouped = True
            try:
                yield
            finally:
                self._grouped = False

    def insert(
        self,
        row: PolicyRow,
        host: str,
        *,
        ignore: bool = False,
        check: Callable[[], None] | None = None,
    ) -> bool:
        """Add a row and its entry; see `LedgerTable.insert`.

        Parameters
        ----------
        check : callable or None
            Called within the transaction, when no other writer can come between; raises
            what forbids the row.
        """
        with self.explained(), self._change():
            if check is not None:
                check()
            added = self.add_row(row, host)
            if added:
                self._note_put(row.policy_id, row.policy)
        if not added and not ignore:
            raise PolicyConflict(f"policy '{row.policy_id}' exists already")
        return added

    def delete(self, policy_ids: Sequence[str], seen: tuple[str, int] | None = None) -> None:
        """Remove one row per id and note it, all or none; see `LedgerTable.delete`.

        Parameters
        ----------
        seen : tuple of str and int or None
            Epoch and number of the log up to which the one who deletes has seen the ledger.

        Raises
        ------
        PolicyConflict
            A policy came later than that.
        """
        with self.explained(), self._change():
            ids = list(dict.fromkeys(policy_ids))
            for policy_id in ids:
                if seen is not None and stored_later(self._database, self._head, policy_id, *seen):
                    raise PolicyConflict(
                        f"policy '{policy_id}' was stored after it was deleted there",
                        hint="delete it again when this node shows it",
                    )
                if not self._database.query(
                    "SELECT 1 FROM ledger WHERE policy_id = ?", (policy_id,)
                ):
                    raise PolicyRowMissing(
                        f"no row with id '{policy_id}' in the table ledger; nothing was deleted"
                    )
            for policy_id in ids:
                self._database.execute("DELETE FROM ledger WHERE policy_id = ?", (policy_id,))
                self._note_gone(policy_id)

    def replace(
        self, row: PolicyRow, host: str, *, check: Callable[[], None] | None = None
    ) -> None:
        """Put another policy in the place of the row with its id.

        Parameters
        ----------
        check : callable or None
            As in `insert`.

        Raises
        ------
        PolicyRowMissing
            There is no row with that id and type.
        DatabaseError
        """
        key = (row.policy_id, row.policy_type)
        with self.explained(), self._change():
            found = self._database.query(
                "SELECT 1 FROM ledger WHERE policy_id = ? AND policy_type = ?", key
            )
            if not found:
                raise PolicyRowMissing(
                    f"no policy '{row.policy_id}' of type '{row.policy_type}' in the table ledger"
                )
            if check is not None:
                check()
            values = (
                *(row.policy_type, row.company, self._database.timestamp(row.date)),
                *(host, row.status, row.policy),
            )
            self._database.execute(_REPLACE, (*values, row.policy_id))
            self._note_put(row.policy_id, row.policy)

    # -------------------------------------------------------------- reading

    @property
    def head(self) -> LogPosition | None:
        """How far the log went after the last look or change; ``None`` before the first."""
        known = self._known
        return known[0] if known is not None else None

    @property
    def reached(self) -> LogPosition:
        """How far the log goes with the changes of the `group` that this thread is in."""
        assert self._grouped
        assert self._head is not None
        return self._head

    def position(self) -> LogPosition:
        """Return how far the log goes; costs a look at the database's version.

        Raises
        ------
        DatabaseError
            Another program changed the table, and keeps it locked.
        """
        known = self._known
        if known is not None and self._database.version() == known[1]:
            return known[0]
        if not self._turn.acquire(timeout=limits.LEDGER_LOOK_WAIT_S):
            raise DatabaseError(
                f"database '{self._database.name}' is busy for more than"
                f" {limits.LEDGER_LOOK_WAIT_S:g} s"
            )
        try:
            known = self._known
            if known is None or self._database.version() != known[1]:
                self._follow_others()
                known = self._known
            assert known is not None
            return known[0]
        finally:
            self._turn.release()

    def read_at(self) -> LedgerRead:
        """Return the whole ledger and its position, of one moment.

        A database that is locked for writing can still be read, then without a position.
        """
        with self.explained():
            for _ in range(_READS):
                try:
                    position = self.position()
                except DatabaseError as exc:
                    if exc.code != DatabaseError.code or "no such table" in exc.message:
                        raise
                    break
                scans, rows = self.scans, self.rows()
                version = self._database.version()
                if self._known == (position, version):
                    return self._sorted_out(position, rows, scans, version)
            version = self._database.version()
            return self._sorted_out(None, self.rows(), self.scans, version)

    def rows(self) -> list[tuple[str, object]]:
        """Return the id and the policy of each row, in the order of the ledger."""
        with self.explained():
            return [(row[0], row[1]) for row in self._database.query(_ROWS)]

    def changes(self, after: LogPosition) -> tuple[LogEntry, ...] | None:
        """Return all that follows an entry, oldest first, as far as this thread sees it.

        ``None`` if this log does not go on from there.
        """
        known = self._database.query(
            "SELECT l.chain FROM ledger_log l JOIN ledger_head h ON h.id = 1"
            " WHERE l.seq = ? AND h.epoch = ?",
            (after.seq, after.epoch),
        )
        if not known or known[0][0] != after.chain:
            return None
        rows = self._database.query(
            "SELECT seq, op, policy_id, after_id, policy, chain FROM ledger_log"
            " WHERE seq > ? ORDER BY seq",
            (after.seq,),
        )
        return tuple(LogEntry(*row) for row in rows)

    def held(self, policy_id: str, policy: str) -> bool:
        """Return whether the log tells that exactly this policy was stored once."""
        return stored_once(self._database, policy_id, policy)

    # ---------------------------------------------------------------- parts

    @contextmanager
    def _change(self, wait_s: float | None = None) -> Iterator[None]:
        """Make one transaction of a change and its entries, or a part of that of the group."""
        with self._turn:
            if self._grouped:
                yield
            else:
                with self._transaction(wait_s):
                    yield

    @contextmanager
    def _transaction(self, wait_s: float | None = None) -> Iterator[None]:
        """Make one transaction of changes and their entries, behind those of others."""
        before, known = self._head, self._known
        try:
            with self._database.transaction(wait_s):
                self._noted = False
                if known is None or self._database.version() != known[1]:
                    self._catch_up()
                yield
                if self._noted:
                    self._write_head()
                seen = self._database.version()
        except BaseException:
            self._head = before
            raise
        assert self._head is not None
        self._known = (self._head, seen)

    def _follow_others(self) -> None:
        """Give numbers to what others changed; after a failure not at once again."""
        if time.monotonic() < self._retry_s:
            raise DatabaseError(f"database '{self._database.name}' was busy a moment ago")
        try:
            with self.explained(), self._change(limits.LEDGER_LOOK_WAIT_S):
                pass
        except DatabaseError:
            self._retry_s = time.monotonic() + limits.SQLITE_BUSY_TIMEOUT_S
            raise

    def _catch_up(self) -> None:
        """Give numbers to what others did to the table; within a transaction."""
        self.scans += 1
        self.require()
        for table, statement in _CREATE.items():
            # Who may not make tables may find them made by somebody else.
            if not self._database.has_table(table):
                self._database.execute(statement)
                if table == "ledger_log":
                    self._database.execute(INDEX)
        found = self._database.query("SELECT epoch, seq, chain FROM ledger_head WHERE id = 1")
        if found:
            self._head = LogPosition(*found[0])
        else:
            self._head = LogPosition(secrets.token_hex(8), 0, _START)
            self._database.execute(
                "INSERT INTO ledger_head (id, epoch, seq, chain) VALUES (1, ?, ?, ?)",
                (self._head.epoch, 0, _START),
            )
        shown = dict(self._database.query("SELECT policy_id, digest FROM ledger_shown"))
        rows = [
            (policy_id, policy, _digest(policy, date, number))
            for policy_id, policy, date, number in self._database.query(_ROWS)
            if self._fault(policy_id, policy) is None
        ]
        for policy_id in shown.keys() - {row[0] for row in rows}:
            self._note_gone(policy_id)
        before = ""
        for policy_id, policy, digest in rows:
            if shown.get(policy_id) != digest:
                self._note("put", policy_id, before, policy)
                self._show(policy_id, digest)
            before = policy_id

    def _note_put(self, policy_id: str, policy: str) -> None:
        if self._fault(policy_id, policy) is not None:
            self._note_gone(policy_id)
            return
        date, number = self._database.query(
            "SELECT date, sequence_id FROM ledger WHERE policy_id = ?", (policy_id,)
        )[0]
        before = self._database.query(_BEFORE, (date, date, number))
        self._note("put", policy_id, before[0][0] if before else "", policy)
        self._show(policy_id, _digest(policy, date, number))

    def _note_gone(self, policy_id: str) -> None:
        if self._database.execute("DELETE FROM ledger_shown WHERE policy_id = ?", (policy_id,)):
            self._note("del", policy_id, "", "")
        else:
            # It was no entry: who knows of it learns that it is gone by comparing.
            self.scans += 1

    def _show(self, policy_id: str, digest: str) -> None:
        self._database.execute(
            "INSERT INTO ledger_shown (policy_id, digest) VALUES (?, ?)"
            " ON CONFLICT (policy_id) DO UPDATE SET digest = excluded.digest",
            (policy_id, digest),
        )

    def _note(self, op: str, policy_id: str, after_id: str, policy: str) -> None:
        """Write one entry."""
        head = self._head
        assert head is not None
        entry = LogEntry(head.seq + 1, op, policy_id, after_id, policy, "")
        chain = entry.chained(head.chain)
        self._database.execute(
            "INSERT INTO ledger_log (seq, op, policy_id, after_id, policy, chain)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (entry.seq, op, policy_id, after_id, policy, chain),
        )
        self._head = LogPosition(head.epoch, entry.seq, chain)
        self._noted = True

    def _write_head(self) -> None:
        """Write how far the log goes; its oldest entries make room."""
        head = self._head
        assert head is not None
        self._database.execute(
            "UPDATE ledger_head SET seq = ?, chain = ? WHERE id = 1", (head.seq, head.chain)
        )
        self._database.execute(
            "DELETE FROM ledger_log WHERE seq <= ?", (head.seq - limits.MAX_LEDGER_LOG_ENTRIES,)
        )

    def _sorted_out(
        self,
        position: LogPosition | None,
        rows: Sequence[tuple[str, object]],
        scans: int,
        version: object,
    ) -> LedgerRead:
        ids: list[str] = []
        lines: list[str] = []
        faults: list[str] = []
        for number, (policy_id, policy) in enumerate(rows, 1):
            reason = self._fault(policy_id, policy)
            if reason is not None:
                faults.append(f"row {number}: {reason}")
            else:
                ids.append(policy_id)
                lines.append(str(policy))
        return LedgerRead(position, tuple(ids), tuple(lines), tuple(faults), scans, version)


def _digest(policy: str, date: object, number: object) -> str:
    """Return a text that differs if the row's policy, or its place, does."""
    place = json.dumps([str(date), number])
    return hashlib.sha256(f"{place}\n{policy}".encode()).hexdigest()
