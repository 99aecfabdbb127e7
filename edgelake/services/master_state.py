"""What a master checks a change against: all policies of its table, as of one place in its log."""

from __future__ import annotations

from collections.abc import Iterable

from edgelake import limits
from edgelake.errors import EdgeLakeError, LedgerFull, PolicyInvalid
from edgelake.interfaces import LogEntry, LogPosition
from edgelake.ledger import Policy, PolicyIndex, policy_of
from edgelake.ledger import fault_of as rule_broken_by
from edgelake.ledger.jsontext import parse

__all__ = ["MasterState", "fault_of", "policy_in"]


def policy_in(policy_id: str, text: object) -> Policy:
    """Return the policy of a row, with its text as it is stored.

    Raises
    ------
    EdgeLakeError
        The row is no entry of the ledger.
    """
    if not isinstance(text, str):
        raise PolicyInvalid("the policy is no text")
    if "\n" in text or "\r" in text:
        raise PolicyInvalid("a line feed inside the policy")
    policy = policy_of(parse(text), text=text)
    if policy.id != policy_id:
        raise PolicyInvalid(f"the policy has the id '{policy.id}' and its row '{policy_id}'")
    reason = rule_broken_by(policy)
    if reason is not None:
        raise PolicyInvalid(reason)
    return policy


def fault_of(policy_id: str, text: object) -> str | None:
    """Return why a row of the table is no entry of the ledger, ``None`` if it is one."""
    try:
        policy_in(policy_id, text)
    except EdgeLakeError as exc:
        return str(exc)
    return None


class MasterState:
    """All policies, with indices; changed by the one writer of the table.

    Parameters
    ----------
    rows : iterable of tuple
        Id and policy of each row; what is no entry of the ledger is left out.
    at : LogPosition
        Where the log ended when the rows were read.

    Attributes
    ----------
    index : PolicyIndex
    size_bytes : int
        Length of the ledger as it is sent.
    at : LogPosition
    """

    def __init__(self, rows: Iterable[tuple[str, object]], at: LogPosition) -> None:
        self.index = PolicyIndex()
        self.size_bytes = 0
        self.at = at
        for policy_id, text in rows:
            try:
                self._put(policy_in(policy_id, text))
            except EdgeLakeError:
                continue

    def apply(self, entries: Iterable[LogEntry]) -> None:
        """Take over what the log says after `at`."""
        for entry in entries:
            if entry.op == "put":
                self._put(policy_in(entry.policy_id, entry.policy))
            else:
                self._remove(entry.policy_id)
            self.at = LogPosition(self.at.epoch, entry.seq, entry.chain)

    def check_room(self, policy: Policy) -> None:
        """Check that the ledger can still be sent with a policy in it.

        Raises
        ------
        LedgerFull
        """
        before = self.index.get(policy.id)
        size = self.size_bytes + _size(policy) - (_size(before) if before is not None else 0)
        if size > limits.MAX_SHARED_LEDGER_BYTES:
            raise LedgerFull(
                f"the ledger would have {size} bytes with policy '{policy.id}',"
                f" more than {limits.MAX_SHARED_LEDGER_BYTES}",
                hint="remove policies first: blockchain delete policy where id = …",
            )

    def _put(self, policy: Policy) -> None:
        before = self.index.get(policy.id)
        if before is not None:
            self.size_bytes -= _size(before)
        if before is not None and before.type == policy.type:
            self.index.put(policy)
        else:
            self.index.add(policy)
        self.size_bytes += _size(policy)

    def _remove(self, policy_id: str) -> None:
        before = self.index.get(policy_id)
        if before is not None:
            self.size_bytes -= _size(before)
            self.index.remove(policy_id)


def _size(policy: Policy) -> int:
    return len(policy.text.encode()) + 1
