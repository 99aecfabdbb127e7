"""From text to statements."""

from __future__ import annotations

import re

from edgelake import limits
from edgelake.errors import CommandSyntaxError, UnbalancedInput, UnknownCommand
from edgelake.language.absent import absent_before, settled
from edgelake.language.places import check_size, offset_of
from edgelake.language.registry import CommandRegistry
from edgelake.language.syntax import CommandStatement, Shape, Statement

__all__ = ["parse", "parse_remote"]

_FIRST_WORD = re.compile(r"\s*+([^\s=&(#]*+)")


def parse(text: str, registry: CommandRegistry) -> tuple[Statement, ...]:
    """Return the statements of a text; none if it holds only blanks and comments.

    Parameters
    ----------
    text : str
        One logical line, at most `limits.MAX_COMMAND_CHARS` characters; ``&``
        separates statements.
    registry : CommandRegistry
        Tells which first words begin commands. Names are looked up by `bind`.

    Raises
    ------
    CommandSyntaxError, UnbalancedInput
        With ``column``, and ``line`` if the text has several.

    Notes
    -----
    Thread-safe. The first call for a registry builds its parser (tens of
    milliseconds).
    """
    check_size(text, limits.MAX_COMMAND_CHARS)
    return _statements(text, registry, limits.MAX_COMMAND_TOKENS)


def parse_remote(text: str, registry: CommandRegistry) -> CommandStatement:
    """Return the one command that a peer's text is.

    Parameters
    ----------
    text : str
        What `from_wire` returned, at most `limits.MAX_REMOTE_COMMAND_CHARS`
        characters and, JSON aside, `limits.MAX_REMOTE_COMMAND_TOKENS` words.

    Raises
    ------
    UnknownCommand
        It is no command, an assignment, a value to show, or several commands.
    CommandSyntaxError, UnbalancedInput
    """
    check_size(text, limits.MAX_REMOTE_COMMAND_CHARS)
    first = _FIRST_WORD.match(text)
    if first is not None and first[1] and first[1] not in registry.first_words():
        raise _no_command(text.strip())  # before any work on the rest
    statements = _statements(text, registry, limits.MAX_REMOTE_COMMAND_TOKENS)
    if len(statements) != 1:
        raise UnknownCommand("a message of another node, or a call, holds exactly one command")
    statement = statements[0]
    if not isinstance(statement, CommandStatement) or statement.shape is Shape.UNKNOWN:
        raise _no_command(statement.source)
    return statement


# ------------------------------------------------------------------- parts


def _no_command(source: str) -> UnknownCommand:
    return UnknownCommand(f"'{source}' is no command", column=1)


def _statements(text: str, registry: CommandRegistry, most_tokens: int) -> tuple[Statement, ...]:
    # Lark comes with the first text: a console shows its prompt without it.
    from edgelake.language.lalr import statements

    try:
        found = statements(text, registry, most_tokens)
    except UnbalancedInput:
        raise
    except CommandSyntaxError as exc:
        # Some commands have a shape of their own: without them it is no shape at all.
        absent = absent_before(text, offset_of(text, exc), registry)
        if absent is None:
            raise
        raise absent from exc
    return tuple([settled(statement, registry) for statement in found])
