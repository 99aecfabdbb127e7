"""The lines of a master's ledger in their order, brought forward entry by entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgelake.errors import LedgerInvalid
from edgelake.interfaces import LogEntry

__all__ = ["LedgerLines"]

_TOP = ""  # no policy has an empty id


class LedgerLines:
    """Policies' lines by id, each knowing which one it stands behind.

    A change costs the same for any number of lines.

    Parameters
    ----------
    lines : iterable of tuple
        Id and line, in the order of the ledger.
    """

    __slots__ = ("_after", "_before", "_lines")

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines: dict[str, str] = {}
        self._after: dict[str, str] = {}
        self._before: dict[str, str] = {}
        last = _TOP
        for policy_id, line in lines:
            self._link(last, policy_id)
            self._lines[policy_id] = line
            last = policy_id
        self._link(last, _TOP)

    def __len__(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def __iter__(self) -> Iterator[str]:
        """Return the lines in the order of the ledger."""
        at = self._after[_TOP]
        while at != _TOP:
            yield self._lines[at]
            at = self._after[at]

    def apply(self, entry: LogEntry) -> None:
        """Take over one change of the log.

        Raises
        ------
        LedgerInvalid
            It does not fit: the lines are of another state than the one before it.
        """
        known = self._lines.pop(entry.policy_id, None)
        if known is not None:
            self._link(self._before[entry.policy_id], self._after[entry.policy_id])
        if entry.op == "put":
            if entry.after_id != _TOP and entry.after_id not in self._lines:
                raise LedgerInvalid(f"change {entry.seq} stands behind a policy that is not there")
            behind = self._after[entry.after_id]
            self._link(entry.after_id, entry.policy_id)
            self._link(entry.policy_id, behind)
            self._lines[entry.policy_id] = entry.policy
        elif known is None:
            raise LedgerInvalid(f"change {entry.seq} removes a policy that is not there")

    def _link(self, before: str, after: str) -> None:
        self._after[before] = after
        self._before[after] = before
