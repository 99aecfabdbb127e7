"""Commands that nodes of the network have and this version has not: named, not called unknown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from edgelake import limits
from edgelake.errors import CommandNotAvailable, CommandSyntaxError
from edgelake.language.places import place
from edgelake.language.registry import CommandRegistry
from edgelake.language.syntax import (
    Assignment,
    CommandStatement,
    Item,
    Quoted,
    Shape,
    Statement,
    Word,
)

__all__ = ["absent_before", "keyword_of", "not_available", "settled"]

_HINT = "other nodes of the network may have it; 'help' lists the commands of this one"
_STORED = '; write set name = "…" to store such a text'
_MOST_WORDS = 8
_MOST_NESTED = 100

# Where a command can begin: after what separates it from others, from a target, or from a
# condition. Strings are skipped; a quote that nothing closes hides the rest.
_BEGIN = re.compile(
    r'"[^"]*+(?:"|\Z)|(?<!\S)\'[^\']*+\'|(?<!\S)`[^`]*+`'
    r"|(?P<apart>&)|(?P<target>(?<![=!<>])=(?!=))|(?<!\S)(?P<link>then|do|else|task)(?=\s)"
)
_TARGET = re.compile(r"\s*+(?:\[[^\]]*+\]|[^\s\[\]]++(?:\[[^\]]*+\]|\{\s*+\}|(?!))*+)\s*+")
_WORDS = re.compile(
    rf"\s*+((?:[^\s\"'`{{}}\[\](),=+&<>!$]++(?:[ \t\n]++|(?=[=+&({{]|\Z))){{1,{_MOST_WORDS}}})"
)


def keyword_of(item: Item) -> str | None:
    """Return the text of a word that can be part of a command's name."""
    if isinstance(item, Word):
        return item.literal
    return item.text if isinstance(item, Quoted) and item.quote == '"' else None


def not_available(
    name: str, text: str, offset: int, *, stored: bool = False
) -> CommandNotAvailable:
    """Return the error for a command of the network that is not declared.

    Parameters
    ----------
    name : str
    text : str
    offset : int
        Where in the text its name begins, from 0.
    stored : bool
        It stands behind ``=``, where a text may have been meant.
    """
    error = CommandNotAvailable(
        f"'{name}' is not available in this version", hint=_HINT + (_STORED if stored else "")
    )
    return place(error, text, offset)


def absent_before(text: str, fault: int, registry: CommandRegistry) -> CommandNotAvailable | None:
    """Return the error for a text that no declared command fits, if it names such a command.

    Parameters
    ----------
    text : str
    fault : int
        Where the parser gave up, from 0; what begins behind it does not count.
    """
    begins = [(0, False)]
    targets = True  # whether what stands since the last beginning can be one
    for match in _BEGIN.finditer(text):
        if match.start() >= fault:
            break
        kind = match.lastgroup
        if kind == "apart":
            begins = [(match.end(), False)]
            targets = True
        elif kind == "link":
            begins.append((match.end(), False))
            targets = True
        elif kind == "target" and targets:
            targets = False
            if _TARGET.fullmatch(text, begins[-1][0], match.start()):
                begins.append((match.end(), True))
        del begins[1:-_MOST_NESTED]
    for start, stored in reversed(begins):
        words = _WORDS.match(text, start)
        if words is None:
            continue
        name = registry.absent(words[1].split())
        if name is not None:
            return not_available(name, text, words.start(1), stored=stored)
    return None


def settled(statement: Statement, registry: CommandRegistry) -> Statement:
    """Return the statement with what stands behind ``=`` told apart: a command, or a text.

    Words that begin like a command of other nodes are that command: running it then says
    that it is not available, instead of storing its text. A single word that only begins
    names of commands, such as ``on``, is a text.

    Raises
    ------
    CommandSyntaxError
        Commands stand inside one another too deep.
    """
    chain: list[Statement] = []
    last = statement
    inner: Statement | None = _inside(last)
    while inner is not None:
        chain.append(last)
        last, inner = inner, _inside(inner)
        if len(chain) > limits.MAX_NESTING:
            raise place(
                CommandSyntaxError(
                    f"commands inside commands more than {limits.MAX_NESTING} deep",
                    hint="write several lines",
                ),
                last.text,
                last.start,
            )
    changed: Statement
    if isinstance(last, Assignment) and _names_absent(last.items, registry):
        items = last.items
        command = CommandStatement(Shape.UNKNOWN, items, last.text, items[0].start, last.end)
        changed = replace(last, items=(), command=command)
    elif chain and isinstance(around := chain[-1], Assignment) and _is_beginning(last, registry):
        assert isinstance(last, CommandStatement)
        changed = replace(around, items=last.words, command=None)
        chain.pop()
    else:
        return statement
    for outer in reversed(chain):
        if isinstance(outer, Assignment):
            assert isinstance(changed, CommandStatement)
            changed = replace(outer, command=changed)
        else:
            assert isinstance(outer, CommandStatement)
            changed = replace(outer, body=changed)
    return changed


def _inside(statement: Statement) -> Statement | None:
    if isinstance(statement, CommandStatement):
        return statement.body
    return statement.command if isinstance(statement, Assignment) else None


def _is_beginning(command: Statement, registry: CommandRegistry) -> bool:
    """Return whether a command is one word that is no command, only the first of some."""
    if not isinstance(command, CommandStatement):
        return False
    only = command.words[0]
    return (
        len(command.words) == 1
        and only.end == command.end
        and not command.local
        and isinstance(only, Word)
        and registry.get(only.literal or "") is None
        and registry.is_family((only.literal,))
    )


def _names_absent(items: Sequence[Item], registry: CommandRegistry) -> bool:
    first = items[0]
    if not isinstance(first, Word) or first.literal is None:
        return False
    return registry.absent([keyword_of(item) for item in items[:_MOST_WORDS]]) is not None
