"""Which rows a query has to look at: what the indices say about its condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from edgelake import limits
from edgelake.ledger.columns import Column, Part, keys_of_text
from edgelake.ledger.query import (
    AllOf,
    AnyOf,
    Attribute,
    Compare,
    Path,
    Predicate,
    Truth,
    is_number,
    text_in,
)
from edgelake.ledger.rows import Rows

__all__ = ["candidates", "having"]

_SMALL = 64  # so many policies are looked at sooner than an index
_WORTH = 8  # an index of so many times the rows says less about them than it costs


class _Near(NamedTuple):
    """How many rows at most may fulfil a condition, and a function that returns them.

    ``span`` is where in a column they are, but for its tail.
    """

    size: int
    rows: Callable[[], Iterable[int]]
    span: tuple[Column, Sequence[Part], Sequence[int]] | None = None


def candidates(rows: Rows, kind: str | None, predicate: Predicate) -> Iterable[int]:
    """Return all rows of a type that may fulfil a condition, in any order, each once.

    Parameters
    ----------
    rows : Rows
    kind : str or None
        ``None`` for all types; rows of others may be among what is found.
    predicate : Predicate
    """
    every = rows.indices.rows(kind)
    if len(every) <= _SMALL or len(_paths(predicate)) > limits.MAX_INDEXED_PATHS:
        return every
    near = _near(rows, kind, predicate)
    return every if near is None or near.size >= len(every) else set(near.rows())


def having(rows: Rows, kind: str, wanted: Mapping[str, Any]) -> Iterable[int]:
    """Return all rows of a type that may have exactly these values, each once."""
    best: Iterable[int] = rows.indices.rows(kind)
    size = len(rows.indices.rows(kind))
    for name, value in wanted.items() if size > _SMALL else ():
        if isinstance(value, list | dict):
            continue
        values = rows.indices.values(kind, (name,))
        if values is not None:
            key = value if is_number(value) else keys_of_text(text_in(value))[0]
            found = values.rows((key,))
            if len(found) < size:
                best, size = found, len(found)
    return best


def _paths(predicate: Predicate) -> set[Path]:
    """Return the paths for which indices would be made."""
    match predicate:
        case Compare(path) | Truth(Attribute(path)):
            return {path}
        case AllOf(parts) | AnyOf(parts):
            return {path for part in parts for path in _paths(part)}
    return set()


def _near(rows: Rows, kind: str | None, predicate: Predicate) -> _Near | None:
    """Return what the indices know, ``None`` for nothing."""
    match predicate:
        case Compare():
            return None if isinstance(predicate.value, Attribute) else _one(rows, kind, predicate)
        case Truth(Attribute(path)):
            column = rows.indices.column(kind, path)
            if column is not None:
                return _spanning(column, column.filled(), rows.indices.rows(kind)[column.high :])
        case AllOf(parts):
            found: list[_Near] = []
            for part in sorted(parts, key=_by_cost):
                near = _near(rows, kind, part)
                if near is not None:
                    found.append(near)
                    if near.size <= _SMALL:
                        break  # so few are looked at sooner than another index
            return _intersection(sorted(_narrowed(found), key=lambda near: near.size))
        case AnyOf(parts):
            united: list[_Near] = []
            for part in parts:
                one = _near(rows, kind, part)
                if one is None:
                    return None
                united.append(one)
            return _Near(
                sum(near.size for near in united),
                lambda: [row for near in united for row in near.rows()],
            )
    return None


def _by_cost(part: Predicate) -> int:
    """Return what an index for a condition costs, in a rough order."""
    if isinstance(part, Compare) and part.operator in ("=", "==", "with"):
        return 0 if part.path == ("id",) else 1
    return 2


def _intersection(parts: Sequence[_Near]) -> _Near | None:
    """Return what all parts have, beginning with the smallest."""
    if not parts:
        return None

    def rows() -> Iterable[int]:
        found = set(parts[0].rows())
        for part in parts[1:]:
            if len(found) <= _SMALL or part.size > _WORTH * len(found):
                break
            found.intersection_update(part.rows())
        return found

    return _Near(parts[0].size, rows)


def _one(rows: Rows, kind: str | None, test: Compare) -> _Near | None:
    """Return what an index knows about one comparison."""
    path, sign, right = test.path, test.operator, test.value
    if sign in ("=", "with", "=="):
        if path == ("id",) and not is_number(right):
            return _with_id(rows, sign, right)
        return _equal(rows, kind, test)
    text = text_in(right).lower()
    if sign == "contains":
        return _containing(rows, kind, test, text)
    column = rows.indices.column(kind, path)
    if column is None:
        return None
    tail = rows.indices.rows(kind)[column.high :]
    if sign == "endswith":
        return _Near(column.entries // 2, partial(_parts_of, column, text, tail))
    parts: list[Part] | None
    if sign == "startswith":
        parts = column.beginning(text)
    elif sign == "childfrom":
        parts = column.beginning(text.rstrip("/") + "/")
    else:
        parts = column.compared(sign, right)
    if parts is None:
        return None
    return _spanning(column, parts, tail)


def _spanning(column: Column, parts: Sequence[Part], tail: Sequence[int]) -> _Near:
    """Return the rows of parts of a column, and its tail."""
    chosen = [*parts, (tail, 0, len(tail))]
    return _Near(
        sum(end - begin for _, begin, end in chosen),
        lambda: [row for found, begin, end in chosen for row in found[begin:end]],
        (column, parts, tail),
    )


def _narrowed(nears: Iterable[_Near]) -> list[_Near]:
    """Return the same with one in place of several of one column: what lies between two bounds."""
    others: list[_Near] = []
    spans: dict[int, _Near] = {}
    for near in nears:
        if near.span is None:
            others.append(near)
            continue
        column, parts, tail = near.span
        known = spans.get(id(column))
        if known is not None and known.span is not None:
            parts = _overlap(known.span[1], parts)
        spans[id(column)] = _spanning(column, parts, tail)
    return [*others, *spans.values()]


def _overlap(ones: Sequence[Part], twos: Sequence[Part]) -> list[Part]:
    return [
        (rows, max(begin, first), min(end, last))
        for rows, begin, end in ones
        for others, first, last in twos
        if rows is others and max(begin, first) < min(end, last)
    ]


def _with_id(rows: Rows, sign: str, right: Any) -> _Near:
    """Return the rows of an id; case does not count."""
    texts = [text_in(one) for one in right] if sign == "with" else [text_in(right)]
    names = ["*"]
    for text in texts:
        lower = text.lower()
        names += [lower, *rows.folded.get(lower, ())]
    found = [row for name in dict.fromkeys(names) for row in rows.with_id(name)]
    return _Near(len(found), lambda: found)


def _equal(rows: Rows, kind: str | None, test: Compare) -> _Near | None:
    path, sign, right = test.path, test.operator, test.value
    if sign == "==" and text_in(right)[:1] in ("[", "{"):
        return None  # the text of a list or an object
    values = rows.indices.values(kind, path, first=sign == "=" and len(path) > 1)
    if values is None:
        return None
    if sign == "with":
        keys = [key for one in right for key in keys_of_text(text_in(one))]
    elif is_number(right) and sign == "==":
        keys = [right]
    else:
        keys = [*keys_of_text(text_in(right)), "*"]
    found = values.rows(dict.fromkeys(keys))
    return _Near(len(found), lambda: found)


def _containing(rows: Rows, kind: str | None, test: Compare, text: str) -> _Near | None:
    """Return the lists that have a text as a member, and the texts that have it as a part."""
    if text[:1] in ("[", "{"):
        return None
    column = rows.indices.column(kind, test.path)
    members = rows.indices.values(kind, test.path)
    if column is None or members is None:
        return None
    lists = members.rows(keys_of_text(text))
    tail = rows.indices.rows(kind)[column.high :]
    return _Near(
        len(lists) + column.entries // 2 + len(tail),
        partial(_parts_of, column, text, [*lists, *tail]),
    )


def _parts_of(column: Column, text: str, others: Sequence[int]) -> Iterable[int]:
    return [*column.containing(text), *others]
