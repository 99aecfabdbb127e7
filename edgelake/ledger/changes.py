"""Changes of a master's ledger applied to what a follower has of it."""

from __future__ import annotations

from collections.abc import Sequence

from edgelake.errors import EdgeLakeError, LedgerInvalid
from edgelake.interfaces import LogEntry
from edgelake.ledger.policy import Policy, parse_policy
from edgelake.ledger.snapshot import EMPTY_LEDGER

__all__ = ["changed_by"]


def changed_by(
    master: bytes, policies: Sequence[Policy], entries: Sequence[LogEntry]
) -> tuple[bytes, tuple[Policy, ...]]:
    """Return the bytes and the policies of a master's ledger after changes.

    Parameters
    ----------
    master : bytes
        The ledger as the master sent it.
    policies : sequence of Policy
        The same, read.
    entries : sequence of LogEntry

    Raises
    ------
    LedgerInvalid
        A change does not fit to the ledger: it has to be fetched whole.
    """
    if _bytes_of(policies) != master:
        raise LedgerInvalid("the ledger at hand has lines that the master's log does not know")
    order = [policy.id for policy in policies]
    found = {policy.id: policy for policy in policies}
    for entry in entries:
        known = found.pop(entry.policy_id, None)
        if known is not None:
            order.remove(entry.policy_id)
        if entry.op == "put":
            order.insert(_place(order, found, entry), entry.policy_id)
            found[entry.policy_id] = _policy(entry)
        elif entry.op != "del" or known is None:
            raise LedgerInvalid(f"change {entry.seq} ({entry.op}) does not fit to the ledger")
    after = tuple(found[policy_id] for policy_id in order)
    return _bytes_of(after), after


def _place(order: Sequence[str], found: dict[str, Policy], entry: LogEntry) -> int:
    if not entry.after_id:
        return 0
    if order and order[-1] == entry.after_id:
        return len(order)
    if entry.after_id not in found:
        raise LedgerInvalid(f"change {entry.seq} stands behind a policy that is not there")
    return order.index(entry.after_id) + 1


def _policy(entry: LogEntry) -> Policy:
    try:
        policy = parse_policy(entry.policy)
    except EdgeLakeError as exc:
        raise LedgerInvalid(f"change {entry.seq} is no policy: {exc}") from exc
    if policy.id != entry.policy_id or "\n" in entry.policy or "\r" in entry.policy:
        raise LedgerInvalid(f"change {entry.seq} is not the policy that it names")
    # The line as the master stores it, so that stored and hashed bytes are the same.
    return Policy(policy.type, policy.body, entry.policy)


def _bytes_of(policies: Sequence[Policy]) -> bytes:
    text = "".join(policy.text + "\n" for policy in policies)
    return text.encode() if text else EMPTY_LEDGER
