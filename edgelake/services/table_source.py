"""A node whose own table is the shared ledger: the master's synchronizer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from edgelake.errors import EdgeLakeError, LedgerInvalid, PolicyInvalid
from edgelake.interfaces import LogPosition
from edgelake.ledger import Adoption, LocalLedger, Policy
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
        self._place: LogPosition | None = None
        self._scans = 0

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
        if policies:
            self._share(table, policies)
        if self._follow(table):
            return None
        position, snapshot = table.sequenced()
        if snapshot.md5 != self._adopted:
            # An empty table that was never seen with policies is a new one, no last delete.
            self._loaded(
                self._ledger.adopt(
                    snapshot.data,
                    self.connection(),
                    allow_empty=self._filled or self._ledger.master_count == 0,
                    place=position,
                )
            )
            self._adopted = snapshot.md5
            self._filled = self._filled or snapshot.count > 0
        self._place, self._scans = position, table.scans
        return None

    def _follow(self, table: MasterLedger) -> bool:
        """Take over what the log says since the last cycle; return whether that was all."""
        place = self._place
        if place is None or self._ledger.position() != place:
            return False
        if table.position() == place:
            return True
        if table.scans != self._scans:
            # Another program was here: what is wrong with its rows is found by reading them.
            return False
        entries = table.rows.changes(place)
        if entries is None:
            return False
        _, deletes = self._ledger.pending()
        last = entries[-1] if entries else None
        after = LogPosition(place.epoch, last.seq, last.chain) if last else place
        try:
            # The log shows every delete that was done.
            gone = frozenset(delete.id for delete in deletes)
            adoption = self._ledger.apply(place, entries, dropped=gone, stored=(), place=after)
        except LedgerInvalid:
            return False
        self._place, self._adopted = after, ""
        self._filled = self._filled or self._ledger.master_count > 0
        self._loaded(adoption)
        return True

    def _loaded(self, adoption: Adoption) -> None:
        if adoption.changed and self._sync is not None:
            self._sync.loaded()

    def _table(self) -> MasterLedger:
        """Return the table as it is connected now, and watch that one."""
        table = self._find()
        before = self._master
        if table is not before and self._sync is not None:
            if before is not None:
                before.unwatch(self._sync.trigger)
            self._adopted, self._filled, self._place = "", False, None
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

    def _share(self, table: MasterLedger, policies: Sequence[Policy]) -> None:
        """Put local policies into the table; what it does not take is reported, and stays."""
        ready: list[Policy] = []
        for policy in policies:
            try:
                ready.append(policy.with_ledger("global"))
            except PolicyInvalid as exc:
                self._not_shared(policy, exc)
        for policy, outcome in zip(ready, table.push_all(ready, self._host), strict=True):
            if isinstance(outcome, EdgeLakeError):
                self._not_shared(policy, outcome)

    def _not_shared(self, policy: Policy, exc: EdgeLakeError) -> None:
        if self._sync is not None:
            self._sync.refused(refusal(f"policy {policy.id} not shared: {exc}", exc.code))
