"""The words of a statement, wherever they stand in it, and the references among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

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
    Quoted,
    Ref,
    Show,
    Statement,
    Test,
    Word,
)
from edgelake.language.words import REFERENCE, reference_of

__all__ = ["Node", "leaves", "nested", "references", "tests"]

Node: TypeAlias = Statement | Condition | Filtered | Item

_JSON_PART = re.compile(
    REFERENCE.pattern + r'|"[^"\\]*+(?:\\.[^"\\]*+|(?!))*+(?:"|\\?\Z)', re.DOTALL
)
_KEY = re.compile(r"(?<=\[)" + REFERENCE.pattern)


def nested(statement: Statement) -> Iterator[Statement]:
    """Yield a statement and those inside it, from the outside."""
    inner: Statement | None = statement
    while inner is not None:
        yield inner
        if isinstance(inner, CommandStatement):
            inner = inner.body
        else:
            inner = inner.command if isinstance(inner, Assignment) else None


def leaves(nodes: Iterable[Node]) -> Iterator[Item]:
    """Yield the words, quoted texts, JSON and signs in some nodes, in no order."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Group):
            waiting += [*node.entries, *node.items]
        elif isinstance(node, Show):
            waiting += node.items
        elif isinstance(node, Assignment):
            waiting += [*node.indices, *node.items, *([node.command] if node.command else ())]
        elif isinstance(node, CommandStatement):
            waiting += [*node.words, *node.destination, *node.tail, *node.bring]
            waiting += [part for part in (node.where, node.condition, node.body) if part]
        elif isinstance(node, Test):
            waiting += [*node.left, *node.right]
        elif isinstance(node, Not):
            waiting.append(node.part)
        elif isinstance(node, Filtered):
            waiting += [*node.items, *node.bring, *([node.condition] if node.condition else ())]
        elif isinstance(node, Condition):
            waiting += node.parts
        else:
            yield node


def references(nodes: Iterable[Node]) -> Iterator[Ref]:
    """Yield the references in some nodes, those inside JSON too, with their places."""
    for item in leaves(nodes):
        if isinstance(item, JsonItem):
            yield from _in_json(item)
        else:
            word = item.word if isinstance(item, Quoted) else item
            for piece in word.pieces if isinstance(word, Word) else ():
                if isinstance(piece, Ref):
                    yield piece
                elif "[" in piece.text:
                    yield from _in_brackets(piece)


def tests(condition: Condition) -> Iterator[Test]:
    """Yield the comparisons, and the values that are looked at alone, of a condition."""
    waiting = [condition]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Test):
            yield part
        elif isinstance(part, Not):
            waiting.append(part.part)
        else:
            waiting += part.parts


def _in_brackets(piece: Literal) -> Iterator[Ref]:
    """Yield the references that are keys, as in ``[!kind][name]``."""
    for match in _KEY.finditer(piece.text):
        yield reference_of(match, piece.start + match.start())


def _in_json(item: JsonItem) -> Iterator[Ref]:
    source = item.source
    if "!" not in source and "$" not in source:
        return
    for match in _JSON_PART.finditer(source):
        if match[1] is not None:
            yield reference_of(match, item.start + match.start())
            continue
        whole = REFERENCE.fullmatch(match[0][1:-1])
        if whole is not None:
            found = reference_of(whole, 0)
            start = item.start + match.start() + 1
            yield Ref(found.kind, found.name, start, start + found.end, found.cast)
