"""The ledger made ready for a change: its home locked, its file repaired, damage told."""

from __future__ import annotations

from edgelake.commands.context import NodeParts
from edgelake.errors import LedgerInvalid

__all__ = ["ready_ledger"]


def ready_ledger(node: NodeParts) -> None:
    """Lock the home and set unreadable lines of the ledger file aside, with a notice.

    Raises
    ------
    HomeLocked
    StorageError
        The ledger cannot be read or not be repaired.
    """
    node.lock_home()
    if not node.ledger.damage:
        node.ledger.write_soon()
        return
    damage = node.ledger.load()
    if damage:
        lines = "1 line was" if len(damage) == 1 else f"{len(damage)} lines were"
        name = node.ledger.path.with_suffix(".damaged").name
        told = f"the ledger file was damaged: {lines} set aside in {name}; {damage[0]}"
        node.report("ledger", LedgerInvalid(told))
