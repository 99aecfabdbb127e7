"""The master's side of the ledger: the SQL table, and the snapshot it serves from.

The snapshot (bytes, hash, count) is made again only after the table changed;
a poll of an unchanged ledger asks SQLite for its change counter and nothing
else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edgelake.errors import EdgeLakeError
from edgelake.interfaces import LedgerRows
from edgelake.ledger import (
    EMPTY_LEDGER,
    Policy,
    PolicyIndex,
    Snapshot,
    check,
    fault_of,
    parse_policy,
)

__all__ = ["MasterLedger"]


class MasterLedger:
    """The shared ledger as this node keeps it in its table ``ledger``.

    Parameters
    ----------
    rows : LedgerRows
        The table. Owned by the database registry, not by this object.

    Attributes
    ----------
    changes : int
        Differs after a change made through this object, before its watchers are called.

    Notes
    -----
    Thread-safe: writers go one after the other through the database,
    readers share an immutable snapshot.
    """

    def __init__(self, rows: LedgerRows) -> None:
        self.rows = rows
        self.changes = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._state: PolicyIndex | None = None
        self._state_version: object = None
        self._version: object = None
        self._snapshot = Snapshot.of(EMPTY_LEDGER)
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
        with self._lock:
            version = self.rows.version()
            if version != self._version:
                self._snapshot, self._quarantine = _build(self.rows.read())
                self._version = version
            return self._snapshot

    def push(self, policy: Policy, host: str, *, ignore: bool = False) -> bool:
        """Store a complete policy durably; return whether it is new.

        Raises
        ------
        PolicyConflict
            The id exists and ``ignore`` is false.
        PolicyInvalid
            Its line is too long, or it breaks a rule of its type.
        PolicyNotUnique, PolicyMissing
            See `edgelake.ledger.check`.
        """
        policy.check_size()
        with self._writing:
            state = self._current()
            if policy.id not in state:
                check(policy, state)
            added = self.rows.insert(policy.row(), host, ignore=ignore)
            if added:
                state.add(policy)
                self._state_version = self.rows.version()
        if added:
            self._announce()
        return added

    def replace(self, policy: Policy, host: str) -> None:
        """Put a complete policy in the place of the one with its id and type.

        Raises
        ------
        PolicyRowMissing
            There is none.
        PolicyInvalid, PolicyNotUnique, PolicyMissing
            See `edgelake.ledger.check`.
        """
        policy.check_size()
        with self._writing:
            state = self._current()
            check(policy, state)
            self.rows.replace(policy.row(), host)
            self._state = None
        self._announce()

    def drop(self, ids: Sequence[str]) -> None:
        """Remove policies, all of them or none.

        Raises
        ------
        PolicyRowMissing
            An id has no row.
        """
        with self._writing:
            self.rows.delete(ids)
        self._announce()

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

    def _announce(self) -> None:
        self.changes += 1
        for changed in tuple(self._watchers):
            changed()


def _build(texts: Sequence[str]) -> tuple[Snapshot, tuple[str, ...]]:
    lines: list[bytes] = []
    quarantine: list[str] = []
    for number, text in enumerate(texts, 1):
        try:
            fault = fault_of(parse_policy(text))
        except EdgeLakeError as exc:
            fault = str(exc)
        if fault is not None:
            quarantine.append(f"row {number}: {fault}")
            continue
        if "\n" in text or "\r" in text:
            quarantine.append(f"row {number}: a line feed inside the policy")
            continue
        lines.append(text.encode() + b"\n")
    return Snapshot.of(b"".join(lines) or EMPTY_LEDGER), tuple(quarantine)
