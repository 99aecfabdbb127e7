"""A console that is assigned to other nodes: what is typed runs there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgelake.errors import CommandError, UnbalancedInput
from edgelake.language import (
    Assignment,
    CommandRegistry,
    CommandStatement,
    Shape,
    Show,
    Statement,
    Word,
    parse,
)

__all__ = ["elsewhere"]

_HERE = (
    ("help",),
    ("wait",),
    ("run", "client"),
    ("blockchain", "seed"),
    ("blockchain", "insert"),
)
"""First words of commands that run here nevertheless, besides those after a point."""


def elsewhere(text: str, destination: str, registry: CommandRegistry) -> list[Statement]:
    """Return what a text means at a console that is assigned to other nodes.

    Parameters
    ----------
    text : str
        One logical line.
    destination : str
        As written behind ``run client``.

    Raises
    ------
    CommandError
        The text does not even hold words.
    """
    try:
        statements: Sequence[Statement] = parse(text, registry)
    except UnbalancedInput:
        raise
    except CommandError:
        # Other nodes may have commands of which this one does not know the form.
        return _sent(text, destination, registry)
    return [found for statement in statements for found in _each(statement, destination, registry)]


def _each(statement: Statement, destination: str, registry: CommandRegistry) -> Iterator[Statement]:
    if isinstance(statement, Show):
        yield statement
    elif isinstance(statement, Assignment):
        if statement.command is None or _is_here(statement.command):
            yield statement
        else:
            (sent,) = _sent(statement.command.source, destination, registry)
            assert isinstance(sent, CommandStatement)
            yield replace(statement, command=sent)
    elif statement.local or _is_here(statement):
        yield statement
    else:
        yield from _sent(statement.source, destination, registry)


def _is_here(statement: CommandStatement) -> bool:
    words = [word.literal if isinstance(word, Word) else None for word in statement.words]
    named = any(tuple(words[: len(name)]) == name for name in _HERE)
    return named or (len(words) == 1 and statement.shape is not Shape.UNKNOWN)


def _sent(source: str, destination: str, registry: CommandRegistry) -> list[Statement]:
    return list(parse(f"run client {destination} {source}", registry))
