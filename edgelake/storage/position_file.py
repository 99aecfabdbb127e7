"""The place in a master's log as an earlier version kept it, in a file beside the ledger's."""

from __future__ import annotations

import json
from pathlib import Path

from edgelake.errors import FileMissing, StorageError
from edgelake.interfaces import LogPosition
from edgelake.storage.atomic import read_file

__all__ = ["read_position"]

_MAX_BYTES = 4096


def read_position(path: Path) -> tuple[LogPosition, str] | None:
    """Return the place, and the MD5 of the ledger it belongs to; ``None`` if it is not readable."""
    try:
        data = json.loads(read_file(path, _MAX_BYTES))
        epoch, seq, chain, ledger = (data[k] for k in ("epoch", "seq", "chain", "ledger"))
    except (FileMissing, StorageError, ValueError, KeyError, TypeError, RecursionError):
        # Without a position the ledger is compared with the master's, and nothing is lost.
        return None
    if not (isinstance(seq, int) and all(isinstance(t, str) for t in (epoch, chain, ledger))):
        return None
    return LogPosition(epoch, seq, chain), ledger
