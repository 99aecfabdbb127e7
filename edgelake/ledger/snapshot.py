"""A ledger as it is sent: immutable bytes, their hash and their count."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

__all__ = ["EMPTY_LEDGER", "HashedPieces", "Snapshot", "md5_of"]

EMPTY_LEDGER = b"\n"
"""What a master sends when it has no policies."""


def md5_of(data: bytes) -> str:
    """Return the MD5 of all bytes as 32 lower-case hex digits."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class HashedPieces:
    """Pieces of bytes, hashed while they are taken.

    Parameters
    ----------
    pieces : iterable of bytes
        Taken once.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._hash = hashlib.md5(usedforsecurity=False)

    def __iter__(self) -> Iterator[bytes]:
        """Return the pieces, one after the other."""
        for piece in self._pieces:
            self._hash.update(piece)
            yield piece

    def md5(self) -> str:
        """Return the MD5 of what was taken, as `md5_of` does."""
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of a ledger.

    Attributes
    ----------
    data : bytes
        One policy a line, a line feed after each; `EMPTY_LEDGER` without policies.
    md5 : str
        Hash over all of ``data``: the version two nodes compare.
    count : int
        Lines that are not blank.

    Notes
    -----
    Immutable; use from any thread. Source: ``docs/protocol.md``, "The ledger".
    """

    data: bytes
    md5: str
    count: int
    _sha256: str = field(default="", init=False, repr=False, compare=False)

    @property
    def sha256(self) -> str:
        """Strong hash of all bytes, 64 hexadecimal digits; computed once, when it is asked for."""
        if not self._sha256:
            object.__setattr__(self, "_sha256", hashlib.sha256(self.data).hexdigest())
        return self._sha256

    @classmethod
    def of(cls, data: bytes) -> Snapshot:
        """Return the snapshot of a ledger file's bytes."""
        count = sum(1 for line in data.split(b"\n") if line.strip())
        return cls(data, md5_of(data), count)

    @classmethod
    def of_lines(cls, lines: Iterable[str]) -> Snapshot:
        """Return the snapshot of policies' texts, each without a line feed."""
        data = b"".join(line.encode() + b"\n" for line in lines)
        return cls.of(data or EMPTY_LEDGER)
