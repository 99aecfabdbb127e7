"""The ledger's source on a blockchain platform: read at one block, local changes written to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from edgelake import limits
from edgelake.errors import (
    EdgeLakeError,
    PlatformError,
    PlatformFailed,
    PlatformUncertain,
    PolicyConflict,
    PolicyMissing,
)
from edgelake.interfaces import LedgerRows
from edgelake.ledger import Damage, LocalLedger, Policy, ledger_of_entries
from edgelake.platforms import ContractState, Ethereum, Head, Pending
from edgelake.services.projection import TableProjection
from edgelake.services.synchronizer import Synchronizer, refusal
from edgelake.wire import Endpoint

__all__ = ["PlatformSource"]


class PlatformSource:
    """Follows the contract of a platform: reads it when it changed, writes what it lacks.

    Parameters
    ----------
    ledger : LocalLedger
    platform : Ethereum
        Connected, with its contract set.
    table : callable or None
        Returns the table that is brought to the same content after each change, or
        raises `DatabaseUnknown` or `TableMissing`.
    host : str
        Own address, stored with the rows of the table.

    Notes
    -----
    Used by the synchronizer's thread; figures by any. A local policy leaves this node
    only by a ledger of the contract that shows it. If a reorganisation of the chain
    takes it out again, it is local again, and sent again.
    """

    kind = "blockchain"

    def __init__(
        self,
        ledger: LocalLedger,
        platform: Ethereum,
        table: Callable[[], LedgerRows] | None = None,
        host: str = "",
    ) -> None:
        self.platform = platform
        self._ledger = ledger
        self._projection = TableProjection(ledger, table, host)
        self._sync: Synchronizer | None = None
        self._state: ContractState | None = None
        self._contract = ""
        self._adopted = ""
        self._quarantine: tuple[Damage, ...] = ()
        self._unsettled: dict[str, _Shown] = {}
        self._writes: dict[str, _Write] = {}
        self._reads = 0

    def open(self, sync: Synchronizer) -> None:
        """Check that the contract answers."""
        self.platform.changes()
        self._sync = sync

    def close(self) -> None:
        """Count no longer on what was sent."""
        for write in self._writes.values():
            if write.sent is not None:
                self.platform.forget(write.sent)
        self._writes = {}

    def connection(self) -> str:
        """Return the platform's name."""
        return self.platform.name

    def describe(self) -> str:
        """Return which platform is followed."""
        return f"with platform: {self.platform.name} using: {self.platform.shown}"

    def figures(self) -> dict[str, Any]:
        """Return where the contract stands, and what waits and is left out."""
        policies, deletes = self._ledger.pending()
        state, rpc = self._state, self.platform.rpc
        return {
            "bytes": rpc.bytes_received,
            "requests": rpc.requests,
            "reads": self._reads,
            "block": state.head.number if state else None,
            "changes": state.changes if state else None,
            "pending_policies": len(policies),
            "pending_deletes": len(deletes),
            "writes_under_way": sum(1 for w in list(self._writes.values()) if w.sent is not None),
            "quarantine": len(self._quarantine),
        }

    def take(self, name: str, content: bytes) -> bool:
        """Return false: nobody is asked for a ledger file."""
        return False

    def hint(self, epoch: str, seq: int) -> None:
        """Do nothing: a contract has no log of a master."""

    def follows(self, masters: Collection[Endpoint]) -> bool:
        """Return false: nothing is sent to masters."""
        return False

    def cycle(self) -> float | None:
        """Follow what was sent, read the contract if it changed, send what it lacks."""
        self._settle()
        if not self._is_current():
            try:
                self._read()
            except PlatformError:
                if self._sync is not None and self._sync.stopping:
                    return None
                raise
        self._project()
        self._send()
        under_way = any(write.sent is not None for write in self._writes.values())
        return limits.PLATFORM_POLL_S if under_way else None

    # ------------------------------------------------------------- reading

    def _is_current(self) -> bool:
        state = self._state
        if state is None or self.platform.account.contract != self._contract:
            return False
        return self.platform.unchanged(state) and self._ledger.master_hash() == self._adopted

    def _read(self) -> None:
        contract = self.platform.account.contract
        state = self.platform.read(lambda: self._sync is not None and self._sync.stopping)
        made = ledger_of_entries(state.entries)
        pending, deletes = self._ledger.pending()
        waiting = {policy.id: policy for policy in pending}
        fallen = self._fallen(state, made.ids)
        # A delete is finished when the contract lacks the policy, unless it is under way to it.
        finished = frozenset(delete.id for delete in deletes if not self._under_way(delete.id))
        adoption = self._ledger.adopt(
            made.content,
            self.platform.name,
            # A contract that nobody ever wrote to is a new one, no last delete.
            allow_empty=state.changes > 0 or self._ledger.master_count == 0,
            dropped=finished,
        )
        self._state, self._contract = state, contract
        self._adopted = self._ledger.master_hash()
        self._reads += 1
        for policy_id in adoption.confirmed:
            self._unsettled[policy_id] = _Shown(waiting[policy_id], state.head)
        for policy in fallen:
            self._return(policy)
        if adoption.changed and self._sync is not None:
            self._sync.loaded()
        self._tell_quarantine(made.quarantine)

    def _under_way(self, policy_id: str) -> bool:
        write = self._writes.get(policy_id)
        return self.platform.is_claimed(policy_id) or (
            write is not None and write.sent is not None and not write.deletes
        )

    def _fallen(self, state: ContractState, ids: frozenset[str]) -> list[Policy]:
        """Return own policies that a reorganisation took out of the contract.

        One that the contract lacks while the block that showed it is still of the chain
        was deleted by somebody.
        """
        holds: dict[Head, bool] = {}
        kept: dict[str, _Shown] = {}
        fallen: list[Policy] = []
        for policy_id, shown in self._unsettled.items():
            if state.head.number >= shown.head.number + limits.PLATFORM_SETTLED_BLOCKS:
                continue
            if shown.head not in holds:
                holds[shown.head] = self.platform.holds(shown.head)
            if policy_id in ids:
                kept[policy_id] = shown if holds[shown.head] else _Shown(shown.policy, state.head)
            elif not holds[shown.head]:
                fallen.append(shown.policy)
        self._unsettled = kept
        return fallen

    def _return(self, policy: Policy) -> None:
        try:
            self._ledger.insert_local(policy)
        except PolicyConflict:
            return
        self._refused(
            PlatformError(
                f"policy {policy.id} fell out of {self.platform.name} by a reorganisation,"
                " and is sent again"
            )
        )

    def _tell_quarantine(self, found: tuple[Damage, ...]) -> None:
        known = {damage.text for damage in self._quarantine}
        new = [damage for damage in found if damage.text not in known]
        self._quarantine = found
        if new:
            more = f", and {len(new) - 1} more" if len(new) > 1 else ""
            self._refused(
                PlatformError(
                    f"entry {new[0].line} of the contract is left out: {new[0].reason}{more}"
                )
            )

    def _project(self) -> None:
        """Bring the table to the ledger's content; a failure is reported and tried again."""
        try:
            self._projection.update()
        except EdgeLakeError as exc:
            self._refused(refusal(f"table ledger not brought up to date: {exc}", exc.code))

    # ------------------------------------------------------------- writing

    def _settle(self) -> None:
        """Look for the receipts of what was sent."""
        for policy_id, write in list(self._writes.items()):
            if write.sent is None:
                continue
            try:
                receipt = self.platform.receipt(write.sent)
            except PlatformFailed as exc:
                self._postpone(write, exc)
                continue
            if receipt is not None:
                del self._writes[policy_id]
            elif write.sent.overdue:
                self.platform.forget(write.sent)
                self._postpone(write, PlatformUncertain(f"{write.sent.what}: no receipt in time"))

    def _send(self) -> None:
        """Send local changes; a refused one is reported, and tried again later and later."""
        policies, deletes = self._ledger.pending()
        shared = [delete.id for delete in deletes if delete.master == self.platform.name]
        waiting = {policy.id for policy in policies} | set(shared)
        self._writes = {
            policy_id: write
            for policy_id, write in self._writes.items()
            if policy_id in waiting or write.sent is not None
        }
        if self.platform.account.signer is None:
            return
        changes: list[tuple[str, Policy | None]] = [(policy.id, policy) for policy in policies]
        changes += [(policy_id, None) for policy_id in shared]
        for policy_id, policy in changes:
            if self._sync is not None and self._sync.stopping:
                return
            try:
                self._try(policy_id, policy)
            except PlatformError as exc:
                # The others have their turn in the next cycle: a provider may be slow to refuse.
                self._postpone(self._writes[policy_id], exc)
                return
            except EdgeLakeError as exc:
                self._postpone(self._writes[policy_id], exc)

    def _try(self, policy_id: str, policy: Policy | None) -> None:
        """Send one insert, or the delete of an id, if it is its turn."""
        deletes = policy is None
        write = self._writes.get(policy_id)
        if write is not None and write.sent is None and write.deletes != deletes:
            write = None
        if write is not None and (write.sent is not None or write.again_s > time.monotonic()):
            return
        under_way = sum(1 for other in self._writes.values() if other.sent is not None)
        if under_way >= limits.MAX_PLATFORM_WRITES or self.platform.is_claimed(policy_id):
            return
        write = self._writes[policy_id] = write or _Write(deletes)
        try:
            with self.platform.claimed(policy_id):
                if policy is not None:
                    line = policy.with_ledger("global").to_line()
                    write.sent = self.platform.insert(policy_id, line)
                else:
                    write.sent = self.platform.delete(policy_id)
        except PolicyMissing:
            # A policy that the contract does not have is as good as deleted.
            self._ledger.finish_delete(policy_id)
            del self._writes[policy_id]
        except PolicyConflict:
            # It may have come there since the contract was read, and is confirmed by the next read.
            if write.tries:
                raise
            write.tries = 1

    def _postpone(self, write: _Write, error: EdgeLakeError) -> None:
        """Report why a change was not written, and when it is tried again."""
        write.sent = None
        write.tries += 1
        pause_s = min(2.0**write.tries, limits.SYNC_BACKOFF_MAX_S)
        write.again_s = time.monotonic() + pause_s
        self._refused(error)

    def _refused(self, error: EdgeLakeError) -> None:
        if self._sync is not None:
            self._sync.refused(error)


@dataclass(frozen=True, slots=True)
class _Shown:
    """An own policy, and the block at which the contract was seen to have it."""

    policy: Policy
    head: Head


@dataclass(slots=True)
class _Write:
    """A change on its way to the contract, or one that is tried again at ``again_s``."""

    deletes: bool
    sent: Pending | None = None
    tries: int = 0
    again_s: float = 0.0
