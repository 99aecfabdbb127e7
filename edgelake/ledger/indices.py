"""The indices that queries have asked for: made on first use, the longest unused dropped."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Generic, TypeVar

from edgelake import limits
from edgelake.ledger.columns import Column, Values
from edgelake.ledger.policy import Policy
from edgelake.ledger.query import Path

__all__ = ["Indices"]

_Index = TypeVar("_Index", Values, Column)

_MAX_PATH_CHARS = 256  # an index is kept under its path


@dataclass(slots=True)
class _Kept(Generic[_Index]):
    """An index, ``None`` if it would be too large, and when it was used."""

    index: _Index | None
    used: int = 0


class Indices:
    """Over the values at paths in the policies of a type, or of all types.

    Notes
    -----
    Thread-safe. Together they have at most `limits.MAX_LEDGER_INDEX_ENTRIES` entries.
    """

    __slots__ = ("_by_type", "_columns", "_lock", "_policies", "_ticks", "_values")

    def __init__(self, policies: Sequence[Policy], by_type: Mapping[str, Sequence[int]]) -> None:
        self._policies = policies
        self._by_type = by_type
        self._lock = threading.Lock()
        self._ticks = count()
        self._values: dict[tuple[str | None, Path, bool], _Kept[Values]] = {}
        self._columns: dict[tuple[str | None, Path], _Kept[Column]] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._values) + len(self._columns)

    @property
    def entries(self) -> int:
        """How many entries they have together."""
        known: list[_Kept[Any]] = [*self._values.values(), *self._columns.values()]
        return sum(kept.index.entries for kept in known if kept.index is not None)

    def rows(self, kind: str | None) -> Sequence[int]:
        """Return the rows of a type, ``None`` for all, ascending."""
        return range(len(self._policies)) if kind is None else self._by_type.get(kind, ())

    def add(self, row: int, policy: Policy) -> None:
        """Take a new row in, which the policies and the types have already."""
        if not self._values:
            return
        with self._lock:
            for (kind, _, _), kept in self._values.items():
                if kind in (None, policy.type) and kept.index is not None:
                    kept.index.add(row, policy)
            self._shrink()

    def values(self, kind: str | None, path: Path, *, first: bool = False) -> Values | None:
        """Return the rows of a type by the values at a path, ``None`` if that is too much.

        Parameters
        ----------
        kind : str or None
        path : tuple
        first : bool
            Walk it as ``=`` does.
        """
        key = (kind, path, first)
        kept = self._values.get(key)
        if kept is None:
            if not _is_short(path):
                return None
            with self._lock:
                kept = self._values.get(key)
                if kept is None:
                    # It is there before it reads the rows, so that no new one is missed.
                    kept = self._values[key] = _Kept(Values(path, first=first), next(self._ticks))
                    self._fill(kept, kind)
                    self._shrink()
        kept.used = next(self._ticks)
        return kept.index

    def column(self, kind: str | None, path: Path) -> Column | None:
        """Return the values at a path in their order, ``None`` if that is too much."""
        key = (kind, path)
        kept = self._columns.get(key)
        if kept is None or (kept.index is not None and kept.index.outgrown(self.rows(kind))):
            if not _is_short(path):
                return None
            with self._lock:
                kept = self._columns.setdefault(key, _Kept(None))
                rows = self.rows(kind)
                if len(rows) > limits.MAX_LEDGER_INDEX_ENTRIES:
                    kept.index = None
                elif kept.index is None or kept.index.outgrown(rows):
                    kept.index = Column(path, rows, self._policies, kept.index)
                kept.used = next(self._ticks)
                self._shrink()
        kept.used = next(self._ticks)
        return kept.index

    # ------------------------------------------------------------------ parts

    def _fill(self, kept: _Kept[Values], kind: str | None) -> None:
        for row in self.rows(kind):
            assert kept.index is not None
            kept.index.add(row, self._policies[row])
            if kept.index.entries > limits.MAX_LEDGER_INDEX_ENTRIES:
                kept.index = None
                return

    def _shrink(self) -> None:
        """Drop indices until the limits hold, the longest unused first; under the lock."""
        while (
            len(self) > limits.MAX_LEDGER_INDICES or self.entries > limits.MAX_LEDGER_INDEX_ENTRIES
        ):
            values = min(self._values.items(), key=_used, default=None)
            column = min(self._columns.items(), key=_used, default=None)
            if column is None or (values is not None and values[1].used < column[1].used):
                assert values is not None
                del self._values[values[0]]
            else:
                del self._columns[column[0]]


def _used(item: tuple[Any, _Kept[Any]]) -> int:
    return item[1].used


def _is_short(path: Path) -> bool:
    return sum(len(str(step)) for step in path) <= _MAX_PATH_CHARS
