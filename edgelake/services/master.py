"""The master's side of the ledger: the SQL table, and the snapshot it serves from.

The snapshot (bytes, hash, count) is made again only after the table changed;
a poll of an unchanged ledger asks the database for its change counter and nothing
else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edgelake import limits
from edgelake.errors import DatabaseError, EdgeLakeError, PolicyConflict
from edgelake.interfaces import LogEntry, LogPosition
from edgelake.ledger import Policy, PolicyIndex, Snapshot, check, parse_policy
from edgelake.ledger import fault_of as rule_broken_by
from edgelake.storage import SequencedLedger

__all__ = ["MasterLedger", "fault_of"]


def fault_of(policy_id: str, text: object) -> str | None:
    """Return why a row of the table is no entry of the ledger, ``None`` if it is one."""
    if not isinstance(text, str):
        return "the policy is no text"
    if "\n" in text or "\r" in text:
        return "a line feed inside the policy"
    try:
        policy = parse_policy(text)
    except EdgeLakeError as exc:
        return str(exc)
    if policy.id != policy_id:
        return f"the policy has the id '{policy.id}' and its row '{policy_id}'"
    return rule_broken_by(policy)


class MasterLedger:
    """The shared ledger as this node keeps it in its table ``ledger``.

    Parameters
    ----------
    rows : SequencedLedger
        The table and its log. Owned by the database registry, not by this object.

    Attributes
    ----------
    changes : int
        Differs after a change made through this object, before its watchers are called.

    Notes
    -----
    Thread-safe: writers go one after the other through the database,
    readers share an immutable snapshot.
    """

    def __init__(self, rows: SequencedLedger) -> None:
        self.rows = rows
        self.changes = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._state: PolicyIndex | None = None
        self._state_version: object = None
        self._version: object = None
        self._snapshot = Snapshot.of_lines(())
        self._position: LogPosition | None = None
        self._told: LogPosition | None = None
        self._quarantine: tuple[str, ...] = ()
        self._watchers: list[Callable[[], None]] = []

    def watch(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` after each change made through this object; it must not block."""
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
                found = self.rows.read_at()
                self._snapshot = Snapshot.of_lines(found.lines)
                self._quarantine, self._position = found.faults, found.position
                self._version = found.version
            state = self._position, self._snapshot
        if state[0] is not None:
            self._moved(state[0])
        return state

    def position(self) -> LogPosition:
        """Return how far the log goes now; costs the same for any ledger.

        Raises
        ------
        DatabaseError
        """
        found = self.rows.position()
        self._moved(found)
        return found

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
        policy.check_size()

        def allowed() -> None:
            state = self._current()
            if policy.id not in state:
                if not again and self.rows.held(policy.id, policy.row().policy):
                    raise PolicyConflict(
                        f"policy '{policy.id}' was removed from the ledger",
                        hint="insert it with another date to have it again",
                    )
                check(policy, state)

        with self._writing:
            added = self.rows.insert(policy.row(), host, ignore=ignore, check=allowed)
            if added and self._state is not None:
                self._state.add(policy)
                self._state_version = self.rows.version()
        if added:
            self._announce()
        return added

    def _current(self) -> PolicyIndex:
        """Return the policies that the table holds now; for one writer at a time."""
        version = self.rows.version()
        if self._state is None or version != self._state_version:
            found: dict[str, Policy] = {}
            for text in self.rows.read():
                try:
                    policy = parse_policy(text)
                except EdgeLakeError:
                    continue
                found.setdefault(policy.id, policy)
            self._state = PolicyIndex(found.values())
            self._state_version = version
        return self._state

    def stored(self, policy_id: str) -> Policy | None:
        """Return the policy of an id, ``None`` if there is none that is one.

        Raises
        ------
        DatabaseError
        """
        text = self.rows.text_of(policy_id)
        if text is None or fault_of(policy_id, text) is not None:
            return None
        return parse_policy(text)

    def replace(self, policy: Policy, host: str) -> None:
        """Put a policy in the place of the stored one with its id and type.

        Raises
        ------
        PolicyRowMissing
            There is none.
        PolicyInvalid
            Its line is too long.
        """
        policy.check_size()
        with self._writing:
            self.rows.replace(policy.row(), host, check=lambda: check(policy, self._current()))
            self._state = None
        self._announce()

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
        self.rows.delete(ids, seen)
        self._announce()

    def _free(self) -> bool:
        """Return whether the log can be brought up to date again."""
        try:
            self.rows.position()
        except DatabaseError:
            return False
        return True

    def _announce(self) -> None:
        """Tell of a change made here."""
        self._told = self.rows.head
        self._tell()

    def _moved(self, position: LogPosition) -> None:
        """Tell of changes that another program made."""
        before, self._told = self._told, position
        if before is not None and before != position:
            self._tell()

    def _tell(self) -> None:
        self.changes += 1
        for changed in tuple(self._watchers):
            changed()
