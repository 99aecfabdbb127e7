"""Two indices over the values at one path: by value, and in their order.

What they find is checked again by the condition itself: they may be too generous, never wrong.
So values that are long or have parts stand aside and are always found.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from edgelake.ledger.compiled import ABSENT, first_getter, getter
from edgelake.ledger.policy import Policy
from edgelake.ledger.query import Path, is_number, number_in, text_in

__all__ = ["Column", "Key", "Part", "Values", "keys_of_text"]

Key: TypeAlias = str | int | float
"""A text in lower case or the hash of a long one, also of a member of a list; a number."""

_LONG_CHARS = 128  # above it a copy in lower case is not worth its memory
_FALSE = "false"  # also the text of JSON's false
_LEAST_TAIL = 256
_NUMERAL = frozenset("0123456789+-. \t\n\r\v\f")


class Values:
    """Rows by the value at a path.

    Reading is safe while one thread adds. ``entries`` counts pairs of a value and a row.
    """

    __slots__ = ("_found", "_get", "_next", "entries")

    def __init__(self, path: Path, *, first: bool = False) -> None:
        self._get = first_getter(path) if first else getter(path)
        self._found: dict[Key, int | list[int]] = {}
        self._next = 0
        self.entries = 0

    def add(self, row: int, policy: Policy) -> None:
        """Take a row in; rows come in ascending order, and one that came before is left out."""
        if row < self._next:
            return
        self._next = row + 1
        value = self._get(policy.body)
        if value is ABSENT:
            return
        found = self._found
        for key in _keys(value):
            before = found.get(key)
            if before is None:
                found[key] = row
            elif isinstance(before, int):
                found[key] = [before, row]
            else:
                before.append(row)
            self.entries += 1

    def rows(self, keys: Iterable[Key]) -> list[int]:
        """Return the rows of several values; one may come twice."""
        rows: list[int] = []
        for key in keys:
            found = self._found.get(key)
            if isinstance(found, int):
                rows.append(found)
            elif found is not None:
                rows += found
        return rows


def keys_of_text(text: str) -> tuple[Key, ...]:
    """Return under what values are found that are equal to a text, or are a number as it is."""
    key = _key(text.lower())
    number = number_in(text) if text[:1] in _NUMERAL else None
    return (key,) if number is None else (key, number)


def _key(text: str) -> Key:
    return text if len(text) <= _LONG_CHARS else hash(text)


def _keys(value: Any) -> Iterable[Key]:
    """Return under what a value is found."""
    if isinstance(value, str):
        return keys_of_text(value)
    if is_number(value):
        return (value,)
    if isinstance(value, list):
        return {_key(text_in(one).lower()) for one in value if not isinstance(one, list | dict)}
    return () if isinstance(value, dict) else (text_in(value),)


Part: TypeAlias = tuple[Sequence[int], int, int]
"""Rows, and which of them: from one place up to another."""


class _Sorted:
    """Values in their order, and the row of each."""

    __slots__ = ("rows", "values")

    def __init__(self, values: list[Any], rows: list[int]) -> None:
        # Sorting takes what is in order already as it is: a few new values cost little.
        order = sorted(range(len(values)), key=values.__getitem__)
        self.values = [values[n] for n in order]
        self.rows = [rows[n] for n in order]

    def compared(self, sign: str, value: Any) -> list[Part]:
        """Return the parts that compare so with a value."""
        first, last = bisect_left(self.values, value), bisect_right(self.values, value)
        below, above = (self.rows, 0, first), (self.rows, last, len(self.rows))
        if sign == "!=":
            return [below, above]
        if sign in ("<", "<="):
            return [below if sign == "<" else (self.rows, 0, last)]
        return [above if sign == ">" else (self.rows, first, len(self.rows))]


class Column:
    """The values at a path in their order: texts in lower case, and numbers.

    Never changed once it is made: use from any thread.

    Attributes
    ----------
    high : int
        How many rows of the type it has seen; the others are its tail.
    """

    __slots__ = ("_false_texts", "_lists", "_numbers", "_others", "_texts", "entries", "high")

    def __init__(
        self,
        path: Path,
        rows: Sequence[int],
        policies: Sequence[Policy],
        before: Column | None = None,
    ) -> None:
        """Make the column of rows, from that of the first of them if there is one."""
        get = getter(path)
        texts, text_rows = before._texts_now() if before else ([], [])
        numbers, number_rows = before._numbers_now() if before else ([], [])
        self._false_texts: list[int] = [*before._false_texts] if before else []
        self._lists: list[int] = [*before._lists] if before else []
        self._others: list[int] = [*before._others] if before else []
        seen: int = before.high if before else 0
        new = rows[seen:]
        for row in new:
            value = get(policies[row].body)
            if value is ABSENT:
                continue
            if isinstance(value, list):
                self._lists.append(row)
            elif is_number(value) and value == value:
                numbers.append(value)
                number_rows.append(row)
            elif isinstance(value, dict | float) or len(text := text_in(value)) > _LONG_CHARS:
                self._others.append(row)
            else:
                lower = text.lower()
                if lower == _FALSE and value is not False:
                    self._false_texts.append(row)
                texts.append(text if text == lower else lower)
                text_rows.append(row)
        self.high: int = seen + len(new)
        self._texts = _Sorted(texts, text_rows)
        self._numbers = _Sorted(numbers, number_rows)
        self.entries = len(texts) + len(numbers) + len(self._lists) + len(self._others)

    def outgrown(self, rows: Sequence[int]) -> bool:
        """Whether so many rows of the type are new that the column is worth being made anew."""
        return len(rows) - self.high > max(_LEAST_TAIL, self.high // 128)

    # ---------------------------------------------------------------- lookups

    def compared(self, sign: str, right: Any) -> list[Part] | None:
        """Return where all values are for which a comparison may hold; ``None`` if unknown."""
        if is_number(right):
            # Texts that are numbers are in the order of texts.
            known = right == right and not self._texts.rows and not self._others
            return self._numbers.compared(sign, right) if known else None
        found = self._texts.compared(sign, text_in(right).lower())
        number = number_in(right)
        if number is not None:
            found += self._numbers.compared(sign, number)
        return [*found, _whole(self._lists), _whole(self._others)]

    def filled(self) -> list[Part]:
        """Return where the values are that are not empty and not zero, and some others."""
        texts, rows = self._texts.values, self._texts.rows
        first, last = bisect_left(texts, _FALSE), bisect_right(texts, _FALSE)
        found: list[Part] = [(rows, bisect_right(texts, ""), first), (rows, last, len(rows))]
        found += self._numbers.compared("!=", 0)
        return [*found, *map(_whole, (self._false_texts, self._lists, self._others))]

    def beginning(self, start: str) -> list[Part]:
        """Return where the texts are that begin so, and all that is no text."""
        texts, size = self._texts.values, len(start)
        first = bisect_left(texts, start)
        last = bisect_right(texts, start, lo=first, key=lambda text: text[:size])
        return [(self._texts.rows, first, last), _whole(self._numbers.rows), _whole(self._others)]

    def containing(self, part: str) -> list[int]:
        """Return the rows of texts and numbers with a text in them, and of objects."""
        texts, numbers = self._texts, self._numbers
        found = [row for text, row in zip(texts.values, texts.rows, strict=True) if part in text]
        pairs = zip(numbers.values, numbers.rows, strict=True)
        found += [row for number, row in pairs if part in str(number)]
        return found + self._others

    def _texts_now(self) -> tuple[list[Any], list[int]]:
        return [*self._texts.values], [*self._texts.rows]

    def _numbers_now(self) -> tuple[list[Any], list[int]]:
        return [*self._numbers.values], [*self._numbers.rows]


def _whole(rows: list[int]) -> Part:
    return rows, 0, len(rows)
