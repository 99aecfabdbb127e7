"""Types of options and arguments: what is accepted, and what it becomes.

Each type says how it is shown (`ValueType.metavar`), what it accepts
(`ValueType.describe`), reads one text (`ValueType.parse`) and, where the form
of the words matters, the words themselves (`ValueType.take`). Values carry their
unit in their type: sizes are `Bytes`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NewType

from edgelake.errors import OptionNotAvailable, WrongValue
from edgelake.language.diagnostics import shortened
from edgelake.language.expansion import expand_text
from edgelake.language.syntax import Item
from edgelake.language.variables import Variables

__all__ = [
    "Boolean",
    "Bytes",
    "Integer",
    "Name",
    "OneOf",
    "PathType",
    "Port",
    "Size",
    "Text",
    "ValueType",
]

Bytes = NewType("Bytes", int)
"""A size in bytes."""

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_SIZE = re.compile(r"([0-9]{1,12}) ?(|[kmgt]b)", re.IGNORECASE)
_FACTORS = {"": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
_NAME = re.compile(r"[^\s\"'`{}\[\](),=+&<>!$:/;#]+")


class ValueType:
    """A type of values; the types of this module derive from it. Immutable.

    Attributes
    ----------
    metavar : str
        How usage lines show a value.
    greedy : bool
        As last argument it takes all words that are left.
    takes_groups : bool
        Parentheses belong to the value; otherwise they list several values.
    takes_plus : bool
        A ``+`` belongs to the value; otherwise it joins the words around it.
    by_text : bool
        Of words without references, groups and ``+``, `take` returns what `parse`
        returns of their texts, joined by blanks.
    """

    metavar: str = "<value>"
    greedy: bool = False
    takes_groups: bool = False
    takes_plus: bool = False
    by_text: bool = True

    def parse(self, text: str) -> Any:
        """Return the value that a text stands for.

        Raises
        ------
        WrongValue
            The text does not fit; the caller knows the column.
        """
        raise NotImplementedError

    def take(self, items: Sequence[Item], variables: Variables) -> Any:
        """Return the value of the words of one option or argument.

        Raises
        ------
        WrongValue, BadJson, UndefinedVariable
        """
        return self.parse(expand_text(items, variables, strict=True, resolve=True))

    def describe(self) -> str:
        """Return what is accepted, for help and documentation."""
        return "text"

    def choices(self) -> tuple[str, ...]:
        """Return all accepted texts if they are few, for completion."""
        return ()

    def claims(self, item: Item) -> bool:
        """Return whether a word can be of this type by its form alone."""
        return True


class Text(ValueType):
    """Any text.

    Parameters
    ----------
    empty : bool
        Whether ``""`` is accepted.
    """

    metavar = "<text>"

    def __init__(self, *, empty: bool = False) -> None:
        self._empty = empty

    def parse(self, text: str) -> str:
        """Return the text itself."""
        if not text and not self._empty:
            raise WrongValue("the value is empty", hint="write a text")
        return text


class PathType(Text):
    """Path of a file or folder."""

    metavar = "<path>"

    def parse(self, text: str) -> str:
        """Return the path as written."""
        if "\0" in text:
            raise WrongValue("a path cannot hold a NUL character", hint="write a path")
        return super().parse(text)

    def describe(self) -> str:
        """Return what is accepted."""
        return "path"


class Name(ValueType):
    """Name of something: letters, digits, ``_``, ``-`` and ``.``."""

    metavar = "<name>"

    def parse(self, text: str) -> str:
        """Return the name."""
        if not _NAME.fullmatch(text):
            raise WrongValue(
                f"'{shortened(text)}' is not a name", hint="write letters, digits, _ - and ."
            )
        return text

    def describe(self) -> str:
        """Return what is accepted."""
        return "name"


class Integer(ValueType):
    """A whole number.

    Parameters
    ----------
    minimum, maximum : int or None
        Bounds, both allowed; without a negative minimum no sign is accepted.
    """

    metavar = "<number>"

    def __init__(self, minimum: int | None = 0, maximum: int | None = None) -> None:
        self._minimum = minimum
        self._maximum = maximum

    def parse(self, text: str) -> int:
        """Return the number."""
        if not _INTEGER.fullmatch(text):
            raise WrongValue(
                f"'{shortened(text)}' is not a whole number", hint=f"write a {self.describe()}"
            )
        value = int(text)
        if (self._minimum is not None and value < self._minimum) or (
            self._maximum is not None and value > self._maximum
        ):
            raise WrongValue(
                f"{value} is not {self._range() or 'in range'}", hint=f"write a {self.describe()}"
            )
        return value

    def describe(self) -> str:
        """Return what is accepted."""
        bounds = self._range()
        return f"whole number {bounds}" if bounds else "whole number"

    def _range(self) -> str:
        if self._minimum is not None and self._maximum is not None:
            return f"in {self._minimum}..{self._maximum}"
        if self._minimum is not None:
            return f"{self._minimum} or more"
        return "" if self._maximum is None else f"{self._maximum} or less"


class Port(Integer):
    """A TCP port, 1..65535.

    Parameters
    ----------
    zero : bool
        Whether 0, the choice of the system, is accepted.
    """

    metavar = "<port>"

    def __init__(self, *, zero: bool = False) -> None:
        super().__init__(0 if zero else 1, 65_535)

    def parse(self, text: str) -> int:
        """Return the port."""
        try:
            return super().parse(text)
        except WrongValue as exc:
            message = f"'{shortened(text)}' is not a port"
            raise WrongValue(message, hint=f"write a {self.describe()}") from exc

    def describe(self) -> str:
        """Return what is accepted."""
        return f"port {self._range()}"


class Boolean(ValueType):
    """``true`` or ``false``, in any case."""

    metavar = "<true|false>"

    def parse(self, text: str) -> bool:
        """Return the truth value."""
        lowered = text.lower()
        if lowered not in ("true", "false"):
            raise WrongValue(
                f"'{shortened(text)}' is not true or false", hint="write true or false"
            )
        return lowered == "true"

    def describe(self) -> str:
        """Return what is accepted."""
        return "true or false"

    def choices(self) -> tuple[str, ...]:
        """Return both."""
        return ("true", "false")


class OneOf(ValueType):
    """One of a few words.

    Parameters
    ----------
    elsewhere : tuple of str
        More words that nodes of the network take, and this version does not.
    """

    def __init__(self, *words: str, elsewhere: tuple[str, ...] = ()) -> None:
        self._words = words
        self._elsewhere = elsewhere
        self.metavar = "<" + "|".join(words) + ">"

    def parse(self, text: str) -> str:
        """Return the word."""
        if text in self._elsewhere:
            raise OptionNotAvailable(
                f"'{text}' is not available in this version", hint=f"write {self.describe()}"
            )
        if text not in self._words:
            raise WrongValue(f"'{shortened(text)}' is not allowed", hint=f"write {self.describe()}")
        return text

    def describe(self) -> str:
        """Return what is accepted."""
        if len(self._words) < 2:
            return "".join(self._words)
        return ", ".join(self._words[:-1]) + " or " + self._words[-1]

    def choices(self) -> tuple[str, ...]:
        """Return the words."""
        return self._words


class Size(ValueType):
    """An amount of data: ``5000``, ``10KB``, ``10 MB``; units count in steps of 1024."""

    metavar = "<size>"
    greedy = True

    def parse(self, text: str) -> Bytes:
        """Return the size in bytes."""
        match = _SIZE.fullmatch(text)
        if match is None:
            raise WrongValue(f"'{shortened(text)}' is not a size", hint=f"write {self.describe()}")
        return Bytes(int(match[1]) * _FACTORS[match[2].lower()])

    def describe(self) -> str:
        """Return what is accepted."""
        return "bytes, or a number with KB, MB, GB or TB, for example 10MB"
