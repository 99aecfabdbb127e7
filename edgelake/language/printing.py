"""From statements back to text: one way to write each.

Words, quotes and references stay as they are written. Blanks are single, except in
texts, where parentheses and JSON keep theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edgelake.language.jsontext import tidy_json
from edgelake.language.registry import CommandRegistry
from edgelake.language.syntax import (
    And,
    Assignment,
    CommandStatement,
    Condition,
    Filtered,
    Group,
    Item,
    JsonItem,
    Mark,
    Not,
    Or,
    Shape,
    Show,
    Statement,
    Test,
    Word,
)

__all__ = ["INDENT", "LINE_CHARS", "Part", "canonical", "statement_parts"]

INDENT = "    "

LINE_CHARS = 100
"""A command that is longer stands in a block, an option a line."""

_KEYWORD = re.compile(r"and|or|where|using|then|for|task|bring(?:\.\S*)?")
_TEXTS = (Shape.TEXT, Shape.REMOTE)


class Part(NamedTuple):
    """A piece of a statement that may stand on a line of its own.

    Attributes
    ----------
    start : int
        Where it begins in the text that was parsed, from 0.
    text : str
    depth : int
        How far it is indented there; 0 for the first of a statement.
    """

    start: int
    text: str
    depth: int


def canonical(statement: Statement, registry: CommandRegistry) -> str:
    """Return the statement as text, in one line unless a value holds line ends.

    Parameters
    ----------
    statement : Statement
    registry : CommandRegistry
        With which it was parsed.
    """
    return " ".join(part.text for part in statement_parts(statement, registry))


def statement_parts(
    statement: Statement, registry: CommandRegistry, indent: str = "", *, tall: bool = False
) -> list[Part]:
    """Return the pieces of a statement; blanks between them give its text.

    Parameters
    ----------
    statement : Statement
    registry : CommandRegistry
        With which it was parsed.
    indent : str
        What stands before the first of them; values over several lines get it, too.
    tall : bool
        Whether long groups in parentheses go over several lines, as blocks allow.
    """
    writer = _Writer(statement.text, registry, indent, tall)
    inner: Statement | None = statement
    while inner is not None:
        inner = writer.statement(inner)
    return writer.finished()


class _Writer:
    """Collects the pieces of one statement.

    Parameters
    ----------
    source : str
        The text that was parsed.
    registry : CommandRegistry
    indent : str
    tall : bool
    """

    def __init__(self, source: str, registry: CommandRegistry, indent: str, tall: bool) -> None:
        self._source = source
        self._names = registry.first_words()
        self._indent = indent
        self._tall = tall
        self._parts: list[Part] = []
        self._start = -1
        self._open: list[str] = []
        self._depth = 0
        self._base = 0

    def finished(self) -> list[Part]:
        """Return the pieces."""
        self._close()
        return self._parts

    # ---------------------------------------------------------- statements

    def statement(self, statement: Statement) -> Statement | None:
        """Write a statement; return the one inside it that follows, if there is one."""
        if isinstance(statement, Show):
            self._add(statement.start, self._items(statement.items, verbatim=True))
            return None
        if isinstance(statement, Assignment):
            self._assignment(statement)
            return statement.command
        self._command(statement)
        return statement.body

    def _assignment(self, statement: Assignment) -> None:
        # A variable that is named as a command begins needs its sign.
        sign = "!" if statement.name in self._names else ""
        target = sign + statement.name + "".join(index.source for index in statement.indices)
        self._add(statement.start, f"{target} =")
        if statement.command is None:
            only = len(statement.items) == 1
            self._add(
                statement.items[0].start, self._items(statement.items, verbatim=True, json=only)
            )

    def _command(self, statement: CommandStatement) -> None:
        if statement.local:
            self._add(statement.start, ".")
        if statement.shape is Shape.UNKNOWN:
            self._add(statement.start, statement.source)
            return
        text = statement.shape in _TEXTS
        words = statement.words
        if statement.destination:
            to = statement.destination[0].start
            name = [word for word in words if word.start < to]
            self._add(statement.start, self._items(name))
            self._add(to, self._items(statement.destination))
            words = words[len(name) :]
        if words:
            self._add(words[0].start, self._items(words, verbatim=True, json=not text))
        if statement.shape is Shape.WAIT:
            self._link(statement)
        if statement.condition is not None:
            if statement.shape is Shape.SCHEDULE:
                self._options(statement.condition)
            else:
                self._add(statement.condition.start, self._condition(statement.condition))
        if statement.equals is not None:
            self._add(statement.equals.start, "=")
            self._add(
                statement.tail[0].start, self._items(statement.tail, verbatim=True, json=True)
            )
        if statement.keyword is not None and statement.where is not None:
            self._add(statement.keyword.start, statement.keyword.text)
            self._options(statement.where)
        if statement.bring:
            self._line()
            self._add(statement.bring[0].start, self._items(statement.bring, verbatim=True))
        if statement.shape is not Shape.WAIT:
            self._link(statement)

    def _link(self, statement: CommandStatement) -> None:
        link = statement.link
        if link is None:
            return
        if statement.shape is Shape.SCHEDULE:
            self._line()
            self._add(link.start, link.text)
            self._base += 1
        else:
            self._add(link.start, link.text)

    def _options(self, condition: Condition) -> None:
        """Write the pairs of a list, or the parts of a condition, a piece for each."""
        if isinstance(condition, And) and not _mixed(condition.parts):
            parts = condition.parts
            for part in parts[:-1]:
                self._line()
                self._add(part.start, f"{self._condition(part)} and")
        else:
            parts = (condition,)
        self._line()
        self._add(parts[-1].start, self._condition(parts[-1]))

    # ---------------------------------------------------------- conditions

    def _condition(self, condition: Condition, between: str = " ") -> str:
        if isinstance(condition, Test):
            left = self._items(condition.left)
            if not condition.operator:
                return left
            return f"{left} {condition.operator} {self._items(condition.right)}"
        if isinstance(condition, Not):
            inner = self._condition(condition.part)
            return f"not {inner}" if isinstance(condition.part, Test) else f"not ({inner})"
        sign = (" or" if isinstance(condition, Or) else " and") + between
        parts = [self._condition(part) for part in condition.parts]
        if _mixed(condition.parts):
            # All of them: nodes of the network take no bare test beside one in parentheses.
            parts = [f"({part})" for part in parts]
        return sign.join(parts)

    def _group(self, group: Group) -> str:
        if group.items:
            return group.source
        tall, self._tall = self._tall, False
        flat = "(" + ", ".join(self._entry(entry) for entry in group.entries) + ")"
        self._tall = tall
        if not tall or len(self._margin()) + len(flat) <= LINE_CHARS:
            return flat
        outside = self._margin()
        self._depth += 1
        margin = self._margin()
        entries = (margin + self._entry(entry, "\n" + margin) for entry in group.entries)
        inside = ",\n".join(entries)
        self._depth -= 1
        return f"(\n{inside}\n{outside})"

    def _margin(self) -> str:
        return self._indent + INDENT * self._depth

    def _entry(self, entry: Condition | Filtered, between: str = " ") -> str:
        if not isinstance(entry, Filtered):
            return self._condition(entry, between)
        found = [self._items(entry.items)]
        if entry.condition is not None:
            found += ["where", self._condition(entry.condition)]
        if entry.bring:
            found.append(self._items(entry.bring))
        return " ".join(found)

    # --------------------------------------------------------------- items

    def _items(self, items: Iterable[Item], *, verbatim: bool = False, json: bool = True) -> str:
        text = ""
        before: Item | None = None
        for item in items:
            if before is not None and not self._is_part(before, item):
                text += " "
            text += self._item(item, verbatim, json)
            before = item
        return text

    def _item(self, item: Item, verbatim: bool, json: bool) -> str:
        if isinstance(item, Mark):
            return item.text
        if isinstance(item, Group) and not verbatim:
            return self._group(item)
        if isinstance(item, JsonItem) and json:
            return tidy_json(item.source, self._margin())
        return self._source[item.start : item.end]

    def _is_part(self, before: Item, item: Item) -> bool:
        """Return whether a word is no keyword, nor a name, only because something touches it."""
        if before.end != item.start or not isinstance(before, Word):
            return False
        word = self._source[before.start : before.end]
        return word in self._names or _KEYWORD.fullmatch(word) is not None

    # -------------------------------------------------------------- pieces

    def _add(self, start: int, text: str) -> None:
        """Go on with the piece."""
        if not self._open:
            self._start = start
        self._open.append(text)

    def _line(self) -> None:
        """Begin a piece that may have a line of its own."""
        self._close()
        self._depth = self._base + 1

    def _close(self) -> None:
        if self._open:
            self._parts.append(Part(self._start, " ".join(self._open), self._depth))
            self._open = []


def _mixed(parts: Sequence[Condition]) -> bool:
    """Return whether one of the parts needs parentheses."""
    return any(isinstance(part, And | Or) for part in parts)
