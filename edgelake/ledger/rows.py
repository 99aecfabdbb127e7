"""Policies in rows: every state of a ledger in one growing list, so that a state is a mark in it.

A row is never changed and never moved. A change appends rows and notes in which state a row
ended; whoever holds an older state goes on seeing exactly that one. So a change and a copy
cost the same for ten policies and for a hundred thousand.
"""

from __future__ import annotations

import sys
import threading
from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

from edgelake.ledger.indices import Indices
from edgelake.ledger.policy import Policy

__all__ = ["NoPlaceLeft", "Rows", "View"]

_ALIVE = sys.maxsize
_SHIFT = 20  # places between two rows that come one after the other
_STEP = 1 << 10
_SPARE_ROWS = 1024
_SPARE_CHARS = 4 * 1024 * 1024


class NoPlaceLeft(Exception):
    """So many policies were put between two others that all rows have to be written anew."""


class Rows:
    """The rows, and where they are found.

    Attributes
    ----------
    lock : Lock
        Held by whoever changes rows.
    policies : list of Policy
        By row.
    ended : list of int
        By row: which end of a row its own was, or a number above all.
    ends : int
        How many rows have ended.
    by_type : dict of str to list of int
        Rows in ascending order.
    folded : dict of str to list of str
        Ids that are not in lower case, by what they are in it.
    indices : Indices
        Over attributes; made when they are asked for.
    """

    __slots__ = (
        "_earlier",
        "_ended_chars",
        "_ids",
        "_order",
        "_places",
        "_total_chars",
        "by_type",
        "ended",
        "ends",
        "folded",
        "indices",
        "lock",
        "policies",
    )

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        """Make the rows of policies, each id once."""
        self.lock = threading.Lock()
        self.policies = [*policies]
        self.ended = [_ALIVE] * len(self.policies)
        self.ends = 0
        self.by_type: dict[str, list[int]] = {}
        self.indices = Indices(self.policies, self.by_type)
        self.folded: dict[str, list[str]] = {}
        self._ids: dict[str, int] = {}
        self._earlier: dict[int, int] = {}
        self._places: dict[int, int] = {}
        self._order: array[int] | None = None
        self._total_chars = self._ended_chars = 0
        for row, policy in enumerate(self.policies):
            policy_id = policy.id
            self._ids[policy_id] = row
            self._fold(policy_id)
            self._total_chars += len(policy.text)
            self.by_type.setdefault(policy.type, []).append(row)

    # --------------------------------------------------------------- changes

    def append(self, policy: Policy, place: int | None = None) -> int:
        """Add a row behind all others, or at a place between them; under the lock."""
        row, policy_id = len(self.policies), policy.id
        before = self._ids.get(policy_id)
        if before is None:
            self._fold(policy_id)
        else:
            self._earlier[row] = before
        self._ids[policy_id] = row
        if place is not None:
            self._places[row] = place
        if self._order is not None:
            insort(self._order, self.place(row))
        self._total_chars += len(policy.text)
        self.ended.append(_ALIVE)
        self.policies.append(policy)
        self.by_type.setdefault(policy.type, []).append(row)
        self.indices.add(row, policy)
        return row

    def end(self, row: int) -> None:
        """End a row; under the lock."""
        if self._order is not None:
            del self._order[bisect_left(self._order, self.place(row))]
        self._ended_chars += len(self.policies[row].text)
        self.ends += 1
        self.ended[row] = self.ends

    def place_behind(self, row: int | None) -> int | None:
        """Return a free place directly behind a row, or before all; under the lock.

        Raises
        ------
        NoPlaceLeft
        """
        if self._order is None:
            alive = (n for n, end in enumerate(self.ended) if end == _ALIVE)
            self._order = array("q", sorted(map(self.place, alive)))
        order = self._order
        if row is None:
            return order[0] - _STEP if order else None
        own = self.place(row)
        behind = bisect_left(order, own) + 1
        if behind == len(order):
            return None
        room = (order[behind] - own) // 2
        if room < 1:
            raise NoPlaceLeft
        return own + min(room, _STEP)

    def _fold(self, policy_id: str) -> None:
        folded = policy_id.lower()
        if folded != policy_id:
            self.folded[folded] = [*self.folded.get(folded, ()), policy_id]

    @property
    def worn(self) -> bool:
        """Whether more rows have ended than live, or more text is in them."""
        total, chars = len(self.policies), self._total_chars
        return (
            self.ends > total - self.ends + _SPARE_ROWS
            or self._ended_chars > chars - self._ended_chars + _SPARE_CHARS
        )

    # ---------------------------------------------------------------- reading

    def place(self, row: int) -> int:
        """Return where a row stands in the order of the ledger."""
        return self._places.get(row, row << _SHIFT)

    @property
    def in_order(self) -> bool:
        """Whether all rows are in the order of the ledger."""
        return not self._places

    def with_id(self, policy_id: str) -> list[int]:
        """Return all rows that an id has had, the latest first."""
        found: list[int] = []
        row = self._ids.get(policy_id)
        while row is not None:
            found.append(row)
            row = self._earlier.get(row)
        return found


class View(NamedTuple):
    """One state: rows below ``high`` that had not ended after ``ends`` ends; ``size`` of them."""

    rows: Rows
    high: int
    ends: int
    size: int

    @classmethod
    def of(cls, rows: Rows) -> View:
        """Return the state of rows of which none has ended."""
        count = len(rows.policies)
        return cls(rows, count, 0, count)

    def after(self, *, ends: bool, begins: bool) -> View:
        """Return the state after a change that ended a row, or began one, or both."""
        return View(self.rows, self.high + begins, self.ends + ends, self.size + begins - ends)

    @property
    def newest(self) -> bool:
        """Whether the rows have not changed since."""
        return self.high == len(self.rows.policies) and self.ends == self.rows.ends

    def row_of(self, policy_id: str) -> int | None:
        """Return the row of an id."""
        return next(iter(self.visible(self.rows.with_id(policy_id))), None)

    def has_one(self, rows: Iterable[int]) -> bool:
        """Whether this state has one of the rows."""
        high, ends, ended = self.high, self.ends, self.rows.ended
        return any(row < high and ended[row] > ends for row in rows)

    def visible(self, rows: Iterable[int]) -> list[int]:
        """Return those of the rows that this state has."""
        high, ends, ended = self.high, self.ends, self.rows.ended
        return [row for row in rows if row < high and ended[row] > ends]

    def ordered(self, rows: Iterable[int]) -> list[int]:
        """Return rows in the order of the ledger."""
        return sorted(rows) if self.rows.in_order else sorted(rows, key=self.rows.place)

    def policies(self, rows: Iterable[int]) -> list[Policy]:
        """Return the policies of rows."""
        policies = self.rows.policies
        return [policies[row] for row in rows]
