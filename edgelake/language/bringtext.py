"""``bring`` as a text of its own: in quotes, in a policy, in parentheses."""

from __future__ import annotations

import re

from edgelake.errors import CommandSyntaxError, EdgeLakeError
from edgelake.interfaces import Bring, Result
from edgelake.language.bring import read_bring
from edgelake.language.command import Argument, Brings, CommandSet
from edgelake.language.parser import parse
from edgelake.language.places import place
from edgelake.language.registry import CommandRegistry
from edgelake.language.syntax import CommandStatement
from edgelake.language.values import Text
from edgelake.language.variables import Variables

__all__ = ["bring_of_text"]

_FRONT = "take from "
_BRING = re.compile(r"bring(?:\.|\s|$)")

_commands = CommandSet(group="bring")
_commands.command("take", summary="", arguments=(Argument("from", Text()),), bring=Brings.REQUIRED)(
    lambda context, call: Result()
)
_REGISTRY = CommandRegistry([_commands])


def bring_of_text(text: str, variables: Variables | None = None) -> Bring:
    """Return what a text such as ``bring [payload][v]`` takes.

    Parameters
    ----------
    text : str
        With or without the word ``bring`` in front.
    variables : Variables or None
        Where references find their values; without it there are none.

    Raises
    ------
    CommandSyntaxError
        ``column`` counts in the text. See `edgelake.language.bring.read_bring`.
    UndefinedVariable

    Notes
    -----
    Thread-safe. The first call builds a parser (tens of milliseconds).
    """
    shift = len(_FRONT)
    spoken = text
    if not _BRING.match(text):
        spoken = f"bring {text}"
        shift += len("bring ")
    try:
        (statement, *more) = parse(_FRONT + spoken, _REGISTRY)
        if more or not isinstance(statement, CommandStatement) or not statement.bring:
            raise CommandSyntaxError(
                "the text is not one 'bring'", hint="write bring [type][attribute]"
            )
        return read_bring(statement.bring, variables or Variables({}, {}))
    except EdgeLakeError as exc:
        if exc.column is not None and exc.line is None:
            place(exc, _FRONT + spoken, exc.column - 1)
        if exc.column is not None and exc.line in (None, 1):
            exc.column = max(1, exc.column - shift)
        raise
