"""The master's side of the ledger: the SQL table, the order of its changes, and what is sent.

Changes go through one queue and are stored in groups. What is needed to check them, and
the bytes that are sent whole, follow the log entry by entry; a poll of an unchanged ledger asks
the database for its change counter and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from edgelake import limits
from edgelake.errors import DatabaseError, EdgeLakeError, LedgerFull, LedgerInvalid
from edgelake.interfaces import LogEntry, LogPosition
from edgelake.ledger import LedgerLines, Policy, Snapshot
from edgelake.services.group_commit import Change
from edgelake.services.ledger_writer import Dropped, LedgerWriter, Stored
from edgelake.services.master_state import fault_of, policy_in
from edgelake.storage import SequencedLedger

__all__ = ["MasterLedger", "fault_of"]


class MasterLedger:
    """The shared ledger as this node keeps it in its table ``ledger``.

    Parameters
    ----------
    rows : SequencedLedger
        The table and its log. Owned by the database registry, not by this object.

    Attributes
    ----------
    changes : int
        Differs after a change made through this object, before its fences and watchers
        are called.

    Notes
    -----
    Thread-safe: changes of all threads are stored in the order in which they came, many
    with one commit; readers share an immutable snapshot. A future is done when the
    commit that holds its change has succeeded, on the thread that made it: what is called
    then must not block.
    """

    def __init__(self, rows: SequencedLedger) -> None:
        self.rows = rows
        self.changes = 0
        self._lock = threading.Lock()
        self._writer = LedgerWriter(rows, self._stored_here, self._announce)
        self._version: object = None
        self._lines: LedgerLines | None = None
        self._scans = 0
        self._snapshot = Snapshot.of_lines(())
        self._position: LogPosition | None = None
        self._told: LogPosition | None = None
        self._quarantine: tuple[str, ...] = ()
        self._fences: list[Callable[[], None]] = []
        self._watchers: list[Callable[[], None]] = []
        self._unannounced = False

    def fence(self, spoilt: Callable[[], None]) -> None:
        """Call ``spoilt`` after each change, before anybody is told of it; it must not block.

        For what must not be said any more once a change is acknowledged: that the ledger
        is as it was.
        """
        self._fences.append(spoilt)

    def watch(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` after each change, when who asked for it is answered.

        It must not block.
        """
        self._watchers.append(changed)

    def unwatch(self, changed: Callable[[], None]) -> None:
        """End what `watch` began; may be called twice."""
        if changed in self._watchers:
            self._watchers.remove(changed)

    @property
    def quarantine(self) -> tuple[str, ...]:
        """Why stored entries are left out of the snapshot, one line each."""
        return self._quarantine

    def snapshot(self) -> Snapshot:
        """Return the ledger as it is sent: immutable bytes, their MD5 and the count.

        Raises
        ------
        DatabaseError
            The table cannot be read.
        """
        return self.sequenced()[1]

    def sequenced(self) -> tuple[LogPosition | None, Snapshot]:
        """Return the ledger and the place in the log at which it was like that.

        The place is ``None`` while another program keeps the database locked.

        Raises
        ------
        DatabaseError
        """
        with self._lock:
            version = self.rows.version()
            if version != self._version or (self._position is None and self._free()):
                if not self._moved_on():
                    version = self._read()
                assert self._lines is not None
                self._snapshot = Snapshot.of_lines(self._lines)
                self._version = version
            state = self._position, self._snapshot
        if len(state[1].data) > limits.MAX_SHARED_LEDGER_BYTES:
            raise LedgerFull(
                f"the ledger has {len(state[1].data)} bytes, and at most"
                f" {limits.MAX_SHARED_LEDGER_BYTES} can be sent",
                hint="remove policies: blockchain drop policy where id = …",
            )
        if state[0] is not None:
            self._moved(state[0])
        return state

    def _moved_on(self) -> bool:
        """Bring the lines to the end of the log by its entries; return whether that is possible."""
        before, lines = self._position, self._lines
        if before is None or lines is None:
            return False
        try:
            self.rows.position()
        except DatabaseError:
            return False
        if self.rows.scans != self._scans:
            # Another program was here: rows that are no policies have no entries.
            return False
        entries = self.rows.changes(before)
        if entries is None:
            return False
        try:
            for entry in entries:
                lines.apply(entry)
                self._position = LogPosition(before.epoch, entry.seq, entry.chain)
        except LedgerInvalid:
            self._lines = None
            return False
        return True

    def _read(self) -> object:
        """Read all lines anew; return the version of the database that they are of."""
        found = self.rows.read_at()
        self._lines = LedgerLines(zip(found.ids, found.lines, strict=True))
        self._quarantine, self._position = found.faults, found.position
        self._scans = found.scans
        return found.version

    def position(self) -> LogPosition:
        """Return how far the log goes now; costs the same for any ledger.

        Raises
        ------
        DatabaseError
        """
        found = self.rows.position()
        self._moved(found)
        return found

    @property
    def scans(self) -> int:
        """Differs after rows were found, or removed, that have no entry in the log."""
        return self.rows.scans

    def entries(self, epoch: str, seq: int, chain: str) -> tuple[LogEntry, ...] | None:
        """Return the next changes after a place in the log, ``None`` if it is not in this log.

        At most `limits.MAX_LEDGER_ENTRIES_PER_ANSWER`.

        Raises
        ------
        DatabaseError
        """
        return self.rows.entries(
            epoch,
            seq,
            chain,
            count=limits.MAX_LEDGER_ENTRIES_PER_ANSWER,
            size_chars=limits.MAX_LEDGER_ANSWER_CHARS,
        )

    def stored(self, policy_id: str) -> Policy | None:
        """Return the policy of an id, ``None`` if there is none that is one.

        Raises
        ------
        DatabaseError
        """
        text = self.rows.text_of(policy_id)
        try:
            return policy_in(policy_id, text)
        except EdgeLakeError:
            return None

    # -------------------------------------------------------------- changes

    @property
    def waiting(self) -> int:
        """How many changes are not stored yet."""
        return self._writer.open

    def push(self, policy: Policy, host: str, *, ignore: bool = False, again: bool = True) -> bool:
        """Store a complete policy durably; return whether it is new.

        Parameters
        ----------
        again : bool
            Whether a policy that was stored and removed may be stored again as it was. What
            comes over the wire may be late, or come twice, and must not undo a delete.

        Raises
        ------
        PolicyConflict
            The id exists and ``ignore`` is false, or the policy was removed.
        PolicyInvalid
            Its line is too long.
        """
        stored = self.push_later(policy, host, ignore=ignore, again=again, waits=True)
        return stored.result().added

    def push_later(
        self,
        policy: Policy,
        host: str,
        *,
        ignore: bool = False,
        again: bool = True,
        waits: bool = False,
    ) -> Future[Stored]:
        """Have a complete policy stored; the future raises what `push` does.

        Parameters
        ----------
        waits : bool
            The caller is about to wait, and may store it on its own thread.

        Raises
        ------
        Overloaded
            Too many changes wait.
        PolicyInvalid
        """
        change = self._writer.pushing(policy, host, ignore=ignore, again=again)
        return self._submit(change, waits=waits)

    def push_all(self, policies: Iterable[Policy], host: str) -> list[bool | EdgeLakeError]:
        """Store policies whose id is not there; return of each whether it is new, or the fault.

        Raises
        ------
        DatabaseError
            The database is busy or broken; those before are stored.
        """
        found: list[bool | EdgeLakeError] = []
        group: list[Change] = []

        def store() -> None:
            if not group:
                return
            self._writer.submit(*group, waits=True)
            for change in group:
                try:
                    found.append(change.done.result().added)
                except DatabaseError:
                    raise
                except EdgeLakeError as exc:
                    found.append(exc)
            group.clear()

        for policy in policies:
            try:
                group.append(self._writer.pushing(policy, host, ignore=True))
            except EdgeLakeError as exc:
                store()
                found.append(exc)
            if len(group) >= limits.MAX_LEDGER_GROUP:
                store()
        store()
        return found

    def replace(self, policy: Policy, host: str) -> None:
        """Put a policy in the place of the stored one with its id and type.

        Raises
        ------
        PolicyRowMissing
            There is none.
        PolicyInvalid
            Its line is too long.
        """
        self.replace_later(policy, host, waits=True).result()

    def replace_later(
        self, policy: Policy, host: str, *, waits: bool = False
    ) -> Future[LogPosition]:
        """Have a policy put in the place of another; the future raises what `replace` does."""
        return self._submit(self._writer.replacing(policy, host), waits=waits)

    def drop(self, ids: Sequence[str], seen: tuple[str, int] | None = None) -> None:
        """Remove policies, all of them or none.

        Parameters
        ----------
        seen : tuple of str and int or None
            Epoch and number of the last change that is known to who deletes: what was stored
            since then is not removed.

        Raises
        ------
        PolicyRowMissing
            An id has no row.
        PolicyConflict
            A policy was stored after ``seen``.
        """
        self.drop_later(ids, seen=seen, waits=True).result()

    def drop_later(
        self,
        ids: Sequence[str],
        *,
        ignore: bool = False,
        seen: tuple[str, int] | None = None,
        waits: bool = False,
    ) -> Future[Dropped]:
        """Have policies removed; the future raises what `drop` does.

        Parameters
        ----------
        ignore : bool
            An id without a row is no error.
        """
        change = self._writer.dropping(ids, ignore=ignore, seen=seen)
        return self._submit(change, waits=waits)

    def _submit(self, change: Change, *, waits: bool) -> Future[Any]:
        self._writer.submit(change, waits=waits)
        return change.done

    def _free(self) -> bool:
        """Return whether the log can be brought up to date again."""
        try:
            self.rows.position()
        except DatabaseError:
            return False
        return True

    def _stored_here(self) -> None:
        """Note changes made here; on the thread that stores them."""
        head = self.rows.head
        if head != self._told:
            self._told = head
            self._unannounced = True
            self._spoil()

    def _announce(self) -> None:
        """Tell of changes made here, after they were acknowledged; on the same thread."""
        if self._unannounced:
            self._unannounced = False
            self._tell()

    def _moved(self, position: LogPosition) -> None:
        """Tell of changes that another program made."""
        before, self._told = self._told, position
        if before is not None and before != position:
            self._spoil()
            self._tell()

    def _spoil(self) -> None:
        self.changes += 1
        for spoilt in tuple(self._fences):
            spoilt()

    def _tell(self) -> None:
        for changed in tuple(self._watchers):
            changed()
