"""What statements say, without where they stand and how they are spaced."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from edgelake.language.syntax import (
    Assignment,
    CommandStatement,
    Condition,
    Filtered,
    Group,
    Item,
    JsonItem,
    Literal,
    Not,
    Or,
    Piece,
    Quoted,
    Show,
    Statement,
    Test,
    Word,
)

__all__ = ["meaning"]


def meaning(statements: Iterable[Statement]) -> tuple[Any, ...]:
    """Return plain data that is equal for texts that mean the same.

    Places, blanks and superfluous parentheses do not count; JSON counts as data where it
    is plain JSON.
    """
    return tuple(_statement(statement) for statement in statements)


def _statement(statement: Statement) -> tuple[Any, ...]:
    # Not by recursion: a body can be inside very many others.
    parts: list[Any] = []
    inner: Statement | None = statement
    while inner is not None:
        if isinstance(inner, CommandStatement):
            parts.append(_command(inner))
            inner = inner.body
        elif isinstance(inner, Assignment):
            indices = tuple(index.source for index in inner.indices)
            parts.append(("assign", inner.name, indices, _items(inner.items)))
            inner = inner.command
        else:
            assert isinstance(inner, Show)
            parts.append(("show", _items(inner.items)))
            inner = None
    return tuple(parts)


def _command(command: CommandStatement) -> tuple[Any, ...]:
    return (
        command.shape,
        command.local,
        _items(command.destination),
        _items(command.words),
        command.equals is not None,
        _items(command.tail),
        command.keyword.text if command.keyword else "",
        _condition(command.where) if command.where else None,
        _items(command.bring),
        _condition(command.condition) if command.condition else None,
        command.link.text if command.link else "",
    )


def _condition(condition: Condition) -> tuple[Any, ...]:
    if isinstance(condition, Test):
        return ("test", _items(condition.left), condition.operator, _items(condition.right))
    if isinstance(condition, Not):
        return ("not", _condition(condition.part))
    kind = "or" if isinstance(condition, Or) else "and"
    return (kind, *(_condition(part) for part in condition.parts))


def _items(items: Iterable[Item]) -> tuple[Any, ...]:
    return tuple(_item(item) for item in items)


def _item(item: Item) -> tuple[Any, ...]:
    if isinstance(item, Word):
        return ("word", *(_piece(piece) for piece in item.pieces))
    if isinstance(item, Quoted):
        return (item.quote, item.text)
    if isinstance(item, JsonItem):
        return ("json", _data(item.source))
    if isinstance(item, Group):
        if item.items:
            return ("text", item.source)
        return ("group", *(_entry(entry) for entry in item.entries))
    return ("mark", item.text)


def _entry(entry: Condition | Filtered) -> tuple[Any, ...]:
    if isinstance(entry, Filtered):
        condition = _condition(entry.condition) if entry.condition else None
        return ("filtered", _items(entry.items), condition, _items(entry.bring))
    return _condition(entry)


def _piece(piece: Piece) -> tuple[Any, ...]:
    if isinstance(piece, Literal):
        return (piece.text,)
    return (piece.kind, piece.name, piece.cast, piece.cut)


def _data(source: str) -> str:
    """Return JSON in one form; what is not plain JSON as it is written."""
    try:
        # Pairs, not dictionaries: two keys of one name are no less than they were.
        found = json.loads(source, object_pairs_hook=lambda pairs: ["{}", pairs])
        return json.dumps(found)
    except (ValueError, RecursionError):
        return source
