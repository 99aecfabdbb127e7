"""Which place in its master's log a follower's ledger is at, kept beside its file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edgelake.errors import FileMissing, StorageError
from edgelake.interfaces import LogPosition
from edgelake.storage.atomic import read_file, replace_file

__all__ = ["KnownPosition", "PositionFile"]

_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class KnownPosition:
    """A place in a master's log, and the hash of the ledger at that place.

    The place counts only for a ledger with that hash: whatever else replaces the
    ledger, at whatever moment a node ends, the two cannot come apart unnoticed.
    """

    place: LogPosition
    ledger: str


class PositionFile:
    """The file of one position.

    Parameters
    ----------
    path : Path
        In the folder of the ledger file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> KnownPosition | None:
        """Return what was written last; ``None`` if that is nothing, or not readable."""
        try:
            data = json.loads(read_file(self._path, _MAX_BYTES))
            epoch, seq, chain, ledger = (data[k] for k in ("epoch", "seq", "chain", "ledger"))
        except (FileMissing, StorageError, ValueError, KeyError, TypeError):
            # Without a position the ledger is compared with the master's, and nothing is lost.
            return None
        if not (isinstance(seq, int) and all(isinstance(t, str) for t in (epoch, chain, ledger))):
            return None
        return KnownPosition(LogPosition(epoch, seq, chain), ledger)

    def write(self, known: KnownPosition) -> None:
        """Keep a position, durably and in one step.

        Raises
        ------
        FileWriteFailed
        """
        place = known.place
        text = json.dumps(
            {
                "epoch": place.epoch,
                "seq": place.seq,
                "chain": place.chain,
                "ledger": known.ledger,
            }
        )
        replace_file(self._path, text.encode() + b"\n")
