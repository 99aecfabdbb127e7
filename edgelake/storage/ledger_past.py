"""What the log of a master's ledger tells of the past of one policy."""

from __future__ import annotations

from edgelake.interfaces import LogPosition
from edgelake.storage.engine import Database

__all__ = ["INDEX", "stored_later", "stored_once"]

INDEX = "CREATE INDEX ledger_log_policy_id ON ledger_log (policy_id)"
"""Made with the table ``ledger_log``; without it only the look takes longer."""


def stored_once(database: Database, policy_id: str, policy: str) -> bool:
    """Return whether the log tells that exactly this policy was stored.

    Raises
    ------
    DatabaseError
    """
    found = database.query(
        "SELECT 1 FROM ledger_log WHERE policy_id = ? AND op = 'put' AND policy = ? LIMIT 1",
        (policy_id, policy),
    )
    return bool(found)


def stored_later(
    database: Database, head: LogPosition | None, policy_id: str, epoch: str, seq: int
) -> bool:
    """Return whether an id was stored after a place in the log, or may have been.

    Parameters
    ----------
    head : LogPosition or None
        Where the log ends.

    Raises
    ------
    DatabaseError
    """
    if head is None or epoch != head.epoch or not 0 <= seq <= head.seq:
        return True
    found = database.query(
        "SELECT max(seq) FROM ledger_log WHERE policy_id = ? AND op = 'put'", (policy_id,)
    )
    put = found[0][0] if found else None
    if put is not None:
        return bool(put > seq)
    oldest = database.query("SELECT min(seq) FROM ledger_log")[0][0]
    return oldest is not None and seq < oldest - 1
