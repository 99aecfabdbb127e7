"""From Lark's tree to the typed nodes of `edgelake.language.syntax`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from lark import Token, Tree

from edgelake.errors import CommandSyntaxError
from edgelake.language.places import place
from edgelake.language.syntax import (
    And,
    Assignment,
    CommandStatement,
    Condition,
    Entry,
    Filtered,
    Group,
    Item,
    JsonItem,
    Literal,
    Mark,
    Not,
    Or,
    Shape,
    Show,
    Statement,
    Test,
    Word,
)
from edgelake.language.words import item_of, join_touching, split_word

__all__ = ["TreeReader"]

Node: TypeAlias = "Token | Tree[Token]"

WORD_OPERATORS = frozenset({"in", "contains", "startswith", "endswith", "with"})
_WORD = re.compile(r"\S+")


class TreeReader:
    """Reads the tree of one text.

    Parameters
    ----------
    text : str
        What was parsed.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._statements: dict[str, Callable[[Sequence[Node]], Statement]] = {
            "free_command": self._free,
            "remote_command": self._remote,
            "verb_command": self._verb,
            "assignment": self._assignment,
            "show": self._show,
            "unknown": self._unknown,
        }

    def statements(self, tree: Tree[Token]) -> tuple[Statement, ...]:
        """Return the statements of a whole text.

        Raises
        ------
        CommandSyntaxError
            Something is missing that the grammar lets pass, such as a word after ``+``.
        """
        return tuple(self._statement(child) for child in tree.children if isinstance(child, Tree))

    def _statement(self, tree: Tree[Token]) -> Statement:
        return self._statements[tree.data](tree.children)

    # ---------------------------------------------------------- statements

    def _free(self, children: Sequence[Node]) -> CommandStatement:
        words = (*self._name(children[0]), *self._items(children[1:]))
        return self._command(Shape.TEXT, words, children)

    def _remote(self, children: Sequence[Node]) -> CommandStatement:
        name = self._name(children[0])
        if len(children) == 1:
            return self._command(Shape.REMOTE, name, children)
        first = children[1]
        assert isinstance(first, Tree)
        destination = self._items(first.children)
        words = self._items(children[2:])
        return self._command(Shape.REMOTE, (*name, *words), children, destination=destination)

    def _verb(self, children: Sequence[Node]) -> CommandStatement:
        plain: list[Node] = []
        equals: Mark | None = None
        tail: tuple[Item, ...] = ()
        keyword: Literal | None = None
        where: Condition | None = None
        bring: tuple[Item, ...] = ()
        for child in children[1:]:
            data = child.data if isinstance(child, Tree) else ""
            parts = child.children if isinstance(child, Tree) else []
            if data == "equal_tail":
                equals, *rest = self._items(parts)  # type: ignore[assignment]
                tail = tuple(rest)
            elif data == "where":
                keyword, where = self._keyword(parts[0]), self._clause(parts[1])
            elif data == "bring":
                bring = self._items(parts)
            else:
                plain.append(child)
        words = (*self._name(children[0]), *self._items(plain))
        return self._command(
            Shape.VERB,
            words,
            children,
            equals=equals,
            tail=tail,
            keyword=keyword,
            where=where,
            bring=bring,
        )

    def _unknown(self, children: Sequence[Node]) -> CommandStatement:
        words = self._items(children)
        return self._command(Shape.UNKNOWN, words, children)

    def _command(
        self,
        shape: Shape,
        words: tuple[Item, ...],
        children: Sequence[Node],
        *,
        equals: Mark | None = None,
        tail: tuple[Item, ...] = (),
        keyword: Literal | None = None,
        where: Condition | None = None,
        bring: tuple[Item, ...] = (),
        destination: tuple[Item, ...] = (),
    ) -> CommandStatement:
        start, end = _start(children[0]), _end(children[-1])
        return CommandStatement(
            shape, words, self._text, start, end, equals, tail, keyword, where, bring, destination
        )

    def _assignment(self, children: Sequence[Node]) -> Assignment:
        target, _, value = children
        assert isinstance(target, Tree)
        assert isinstance(value, Tree)
        name, indices, end = self._target(target)
        start = _start(target)
        if value.data == "words":
            items = self._concatenated(self._items(value.children))
            return Assignment(name, indices, items, None, self._text, start, items[-1].end, end)
        command = self._statement(value)
        assert isinstance(command, CommandStatement)
        return Assignment(name, indices, (), command, self._text, start, command.end, end)

    def _target(self, tree: Tree[Token]) -> tuple[str, tuple[JsonItem, ...], int]:
        if tree.data == "array":
            source = self._json(tree)
            return "", (source,), source.end
        head = tree.children[0]
        assert isinstance(head, Token)
        indices = tuple(self._json(part) for part in tree.children[1:] if isinstance(part, Tree))
        end = _end(head)
        for index in indices:
            if index.start != end:
                raise self._fault("unexpected blank before '['", end, "write name[key] = value")
            end = index.end
        word = split_word(str(head), _start(head))
        reference = word.reference
        if reference is None:
            return str(head), indices, end
        if reference.cast:
            raise self._fault(
                f"'{head}' cannot be assigned", word.start, "write a plain name before '='"
            )
        environment = reference.kind.value == "$"
        return reference.shown if environment else reference.name, indices, end

    def _show(self, children: Sequence[Node]) -> Show:
        items = self._concatenated(self._items(children))
        return Show(items, self._text, items[0].start, items[-1].end)

    # --------------------------------------------------------------- items

    def _name(self, node: Node) -> tuple[Item, ...]:
        """Return the words of a command's name, which are one token."""
        assert isinstance(node, Token)
        start = _start(node)
        return tuple(
            Word(
                (Literal(m[0], start + m.start(), start + m.end()),),
                start + m.start(),
                start + m.end(),
            )
            for m in _WORD.finditer(str(node))
        )

    def _items(self, nodes: Sequence[Node]) -> tuple[Item, ...]:
        return join_touching((item for node in nodes for item in self._item(node)), self._text)

    def _item(self, node: Node) -> Sequence[Item]:
        if isinstance(node, Token):
            return (item_of(node),)
        if node.data in ("array", "object"):
            return (self._json(node),)
        if node.data == "group":
            return (self._group(node),)
        if node.data == "loose_group":
            start, end = _start(node), _end(node)
            inner = self._items(node.children[1:-1])
            return (Group(self._text[start:end], start, end, (), inner),)
        return self._items(node.children)

    def _json(self, tree: Tree[Token]) -> JsonItem:
        start, end = _start(tree), _end(tree)
        return JsonItem(self._text[start:end], start, end)

    def _group(self, tree: Tree[Token]) -> Group:
        start, end = _start(tree), _end(tree)
        entries = tuple(
            self._entry(child.children) for child in tree.children if isinstance(child, Tree)
        )
        return Group(self._text[start:end], start, end, entries)

    def _entry(self, children: Sequence[Node]) -> Entry:
        if len(children) == 1:
            return self._clause(children[0])
        operand, _, clause = children
        assert isinstance(operand, Tree)
        items = self._items(operand.children)
        condition = self._clause(clause)
        return Filtered(items, condition, items[0].start, condition.end)

    def _concatenated(self, items: tuple[Item, ...]) -> tuple[Item, ...]:
        """Return the items after a check that something follows each ``+``."""
        before: Item | None = None
        for item in items:
            if _is_plus(item) and before is not None and _is_plus(before):
                raise self._fault("missing text before '+'", item.start, "write a word before it")
            before = item
        if before is not None and _is_plus(before):
            raise self._fault("missing text after '+'", before.end, "write a word after it")
        return items

    # ---------------------------------------------------------- conditions

    def _keyword(self, node: Node) -> Literal:
        assert isinstance(node, Token)
        return Literal(str(node), _start(node), _end(node))

    def _clause(self, node: Node) -> Condition:
        """Return the condition of a clause: alternatives of conjunctions of tests."""
        assert isinstance(node, Tree)
        parts = [self._conjunction(child) for child in node.children if isinstance(child, Tree)]
        return parts[0] if len(parts) == 1 else Or(tuple(parts), parts[0].start, parts[-1].end)

    def _conjunction(self, tree: Tree[Token]) -> Condition:
        parts = [self._test(child) for child in tree.children if isinstance(child, Tree)]
        return parts[0] if len(parts) == 1 else And(tuple(parts), parts[0].start, parts[-1].end)

    def _test(self, tree: Tree[Token]) -> Condition:
        first = tree.children[0]
        assert isinstance(first, Tree)
        left = self._items(first.children)
        if len(left) > 1 and _literal(left[0]) == "not":
            inner = self._finish(left[1:], tree)
            return Not(inner, left[0].start, inner.end)
        return self._finish(left, tree)

    def _finish(self, left: tuple[Item, ...], tree: Tree[Token]) -> Condition:
        if len(tree.children) == 1:
            return self._without_sign(left)
        _, sign, last = tree.children
        assert isinstance(sign, Token)
        assert isinstance(last, Tree)
        right = self._items(last.children)
        return Test(left, str(sign), right, left[0].start, right[-1].end, _start(sign))

    def _without_sign(self, left: tuple[Item, ...]) -> Condition:
        """Return a test whose operator is a word, a condition in parentheses, or a word alone."""
        for n, item in enumerate(left[1:-1], 1):
            word = _literal(item)
            if word in WORD_OPERATORS:
                right = left[n + 1 :]
                return Test(left[:n], word, right, left[0].start, right[-1].end, item.start)
        only = left[0]
        if len(left) == 1 and isinstance(only, Group) and len(only.entries) == 1:
            entry = only.entries[0]
            if not isinstance(entry, Filtered):
                return entry
        return Test(left, "", (), left[0].start, left[-1].end, left[-1].end)

    # -------------------------------------------------------------- faults

    def _fault(self, message: str, offset: int, hint: str) -> CommandSyntaxError:
        return place(CommandSyntaxError(message, hint=hint), self._text, offset)


def _is_plus(item: Item) -> bool:
    return isinstance(item, Mark) and item.text == "+"


def _literal(item: Item) -> str | None:
    return item.literal if isinstance(item, Word) else None


def _start(node: Node) -> int:
    while isinstance(node, Tree):
        node = node.children[0]
    return node.start_pos or 0


def _end(node: Node) -> int:
    while isinstance(node, Tree):
        node = node.children[-1]
    return (node.start_pos or 0) + len(node)
