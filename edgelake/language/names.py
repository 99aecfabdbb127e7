"""Which declared command the words of a statement name."""

from __future__ import annotations

from edgelake.errors import BadArgument, UnknownCommand
from edgelake.language.absent import keyword_of, not_available
from edgelake.language.command import Command
from edgelake.language.diagnostics import shortened
from edgelake.language.places import place
from edgelake.language.registry import CommandRegistry
from edgelake.language.syntax import CommandStatement, Item, Mark, Quoted, Shape

__all__ = ["find_command"]

_MOST_NAMED = 3
_SMALL_FAMILY = 4


def find_command(statement: CommandStatement, registry: CommandRegistry) -> Command:
    """Return the command that a statement names.

    Raises
    ------
    UnknownCommand
        ``CommandNotAvailable`` if other nodes of the network have it.
    BadArgument
        The name of a command is used as a variable.
    """
    words = statement.words
    names = [keyword_of(word) for word in words]
    first_mark = statement.equals if len(words) == 1 else words[1]
    assigned = isinstance(first_mark, Mark) and first_mark.text == "="
    if assigned and names[0] in registry.first_words():
        raise place(
            BadArgument(
                f"'{names[0]}' begins commands and cannot name a variable",
                hint="choose another name",
            ),
            statement.text,
            statement.start,
        )
    found = registry.longest(names)
    if found is None or statement.shape is Shape.UNKNOWN or not _claimed(found, words, registry):
        raise _unknown(statement, registry)
    if registry.has_absent_behind(found):
        absent = registry.absent(names)
        if absent is not None:
            raise not_available(absent, statement.text, statement.start)
    return found


def _unknown(statement: CommandStatement, registry: CommandRegistry) -> UnknownCommand:
    names = [keyword_of(word) or "" for word in statement.words]
    absent = registry.absent(names)
    if absent is not None:
        stored = statement.text[: statement.start].rstrip().endswith("=")
        return not_available(absent, statement.text, statement.start, stored=stored)
    quoted = isinstance(statement.words[0], Quoted)
    known = 0
    while known < len(names) and registry.is_family(names[: known + 1]):
        known += 1
    nearest = [] if quoted else registry.nearest(names)
    family = registry.family(names[:known])
    if known == len(names):
        nearest = family[:_MOST_NAMED]
    elif len(family) <= _SMALL_FAMILY and not set(nearest) & set(family):
        # 'on error explode' means one of the few that begin with 'on error'.
        nearest = [] if quoted else family
    shown = " ".join(statement.text[word.start : word.end] for word in statement.words[: known + 1])
    if quoted:
        hint = "write the name of a command without quotes"
    elif nearest:
        hint = "did you mean " + " or ".join(f"'{name}'" for name in nearest) + "?"
    else:
        hint = " ".join(["'help", *names[:known]]) + "' lists the commands"
    offset = statement.words[min(known, len(names) - 1)].start
    what = f"unknown command '{shortened(shown)}'"
    if known == len(names):
        what = f"'{shortened(shown)}' is only the beginning of a command"
    return place(UnknownCommand(what, hint=hint), statement.text, offset)


def _claimed(command: Command, words: tuple[Item, ...], registry: CommandRegistry) -> bool:
    """Return whether the word behind a name of several commands belongs to this one.

    ``get`` alone takes a reference; ``get nosuch`` is an unknown command, not a
    wrong reference.
    """
    count = len(command.words)
    if len(words) <= count or not registry.is_family(command.words):
        return True
    if not command.arguments:
        return True
    return command.arguments[0].type.claims(words[count])
