"""A node whose own table is the shared ledger: the master's synchronizer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from edgelake.errors import PolicyInvalid
from edgelake.ledger import LocalLedger, Policy
from edgelake.services.master import MasterLedger
from edgelake.services.synchronizer import Synchronizer, refusal
from edgelake.wire import Endpoint

__all__ = ["TableSource"]


class TableSource:
    """Follows this node's own table: the node is the master.

    Parameters
    ----------
    ledger : LocalLedger
    master : callable
        Returns the table's `MasterLedger`, or raises `DatabaseUnknown` or
        `TableMissing`; asked in each cycle, since a database may be connected anew.
    host : str
        Own address, stored with policies that were local before.
    """

    kind = "DBMS"

    def __init__(self, ledger: LocalLedger, master: Callable[[], MasterLedger], host: str) -> None:
        self._ledger = ledger
        self._find = master
        self._host = host
        self._sync: Synchronizer | None = None
        self._master: MasterLedger | None = None
        self._adopted = ""
        self._filled = False

    def open(self, sync: Synchronizer) -> None:
        """Check that the table can be read, and follow changes made through this node."""
        self._sync = sync
        try:
            self._table().snapshot()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop following."""
        sync, self._sync = self._sync, None
        if sync is not None and self._master is not None:
            self._master.unwatch(sync.trigger)

    def connection(self) -> str:
        """Return the table's name."""
        return "table blockchain.ledger"

    def describe(self) -> str:
        """Return where the ledger goes."""
        return "to local blockchain file"

    def figures(self) -> dict[str, Any]:
        """Return counts of what waits and what is left out."""
        policies, deletes = self._ledger.pending()
        master = self._master
        head = master.rows.head if master else None
        return {
            "pending_policies": len(policies),
            "pending_deletes": len(deletes),
            "quarantine": len(master.quarantine) if master else 0,
            "sequence": head.seq if head else None,
            "epoch": head.epoch if head else None,
        }

    def cycle(self) -> float | None:
        """Put local policies into the table and the table into the file, if either changed."""
        table = self._table()
        policies, _ = self._ledger.pending()
        for policy in policies:
            self._share(table, policy)
        snapshot = table.snapshot()
        if snapshot.md5 == self._adopted:
            return None
        # An empty table that was never seen with policies is a new one, no last delete.
        adoption = self._ledger.adopt(
            snapshot.data,
            self.connection(),
            allow_empty=self._filled or self._ledger.master_count == 0,
        )
        self._adopted = snapshot.md5
        self._filled = self._filled or snapshot.count > 0
        if adoption.changed and self._sync is not None:
            self._sync.loaded()
        return None

    def _table(self) -> MasterLedger:
        """Return the table as it is connected now, and watch that one."""
        table = self._find()
        before = self._master
        if table is not before and self._sync is not None:
            if before is not None:
                before.unwatch(self._sync.trigger)
            self._adopted, self._filled = "", False
            self._master = table
            table.watch(self._sync.trigger)
        return table

    def take(self, name: str, content: bytes) -> bool:
        """Return false: a node that is its own source asks nobody."""
        return False

    def hint(self, epoch: str, seq: int) -> None:
        """Do nothing: a node that is its own source knows its log."""

    def follows(self, masters: Collection[Endpoint]) -> bool:
        """Return false: the table is written by messages, as for any other node."""
        return False

    def _share(self, table: MasterLedger, policy: Policy) -> None:
        try:
            table.push(policy.with_ledger("global"), self._host, ignore=True)
        except PolicyInvalid as exc:
            if self._sync is not None:
                self._sync.refused(refusal(f"policy {policy.id} not shared: {exc}", exc.code))
