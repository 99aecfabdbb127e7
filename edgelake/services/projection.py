"""The SQL table ``ledger`` of a follower: brought to what its ledger shows."""

from __future__ import annotations

from collections.abc import Callable

from edgelake.interfaces import LedgerRows
from edgelake.ledger import LocalLedger

__all__ = ["TableProjection"]


class TableProjection:
    """Keeps a table like the local ledger; used by one thread at a time.

    Parameters
    ----------
    ledger : LocalLedger
    table : callable or None
        Returns the table, or raises `DatabaseUnknown` or `TableMissing`; asked each time,
        since a database may be connected anew. ``None``: there is none to keep.
    host : str
        Where the ledger comes from, stored with each row.
    """

    def __init__(
        self, ledger: LocalLedger, table: Callable[[], LedgerRows] | None, host: str
    ) -> None:
        self._ledger = ledger
        self._find = table
        self._host = host
        self._table: LedgerRows | None = None
        self._version = 0
        self._filled = False

    def update(self) -> None:
        """Bring the table to the ledger's content, if it is not like it.

        Raises
        ------
        DatabaseError
            Nothing of the table was changed.
        """
        if self._find is None:
            return
        table = self._find()
        if table is not self._table:
            self._table, self._version, self._filled = table, 0, False
        version = self._ledger.version
        # Before a master was heard there is nothing that the table should be like.
        if version == self._version or not self._ledger.heard:
            return
        if self._version and self._brought_on(table):
            return
        rows = [policy.row() for policy in self._ledger]
        if not rows and not self._filled and self._ledger.master_count == 0:
            return
        table.replace_all(rows, self._host)
        self._version = version
        self._filled = self._filled or bool(rows)

    def _brought_on(self, table: LedgerRows) -> bool:
        """Change the rows of what changed since the last time; return whether that is enough.

        It is not after a change of the table by anybody else: all of it is looked at then.
        """
        found = self._ledger.changed_since(self._version)
        if found is None:
            return False
        version, changed = found
        rows = {key: policy.row() if policy else None for key, policy in changed.items()}
        if table.update(rows, self._host) is None:
            return False
        self._version = version
        self._filled = self._filled or self._ledger.count > 0
        return True
