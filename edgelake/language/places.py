"""Where in a text an error lies."""

from __future__ import annotations

from typing import TypeVar

from edgelake.errors import CommandSyntaxError, EdgeLakeError

__all__ = ["check_size", "column_of", "offset_of", "place"]

_E = TypeVar("_E", bound=EdgeLakeError)


def check_size(text: str, most_chars: int) -> None:
    """Refuse a text that is too long before any other work on it.

    Raises
    ------
    CommandSyntaxError
    """
    if len(text) > most_chars:
        raise CommandSyntaxError(f"a command of {len(text)} characters exceeds {most_chars}")


def column_of(text: str, offset: int) -> int:
    """Return the column, from 1, of a character counted from 0, in its own line."""
    offset = min(offset, len(text))
    return offset - (text.rfind("\n", 0, offset) + 1) + 1


def offset_of(text: str, error: EdgeLakeError) -> int:
    """Return the character, counted from 0, where an error lies that `place` placed."""
    start = 0
    for _ in range((error.line or 1) - 1):
        start = text.find("\n", start) + 1
    return start + (error.column or 1) - 1


def place(error: _E, text: str, offset: int) -> _E:
    """Return the error with its column, and its line if the text has several.

    Parameters
    ----------
    error : EdgeLakeError
        Changed in place.
    text : str
        The text that was parsed.
    offset : int
        Character from 0; one past the end means "here something is missing".
    """
    offset = min(offset, len(text))
    error.column = column_of(text, offset)
    if "\n" in text:
        error.line = text.count("\n", 0, offset) + 1
    return error
