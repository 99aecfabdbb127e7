"""Types of values in parentheses: options inside an option, and orders of columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgelake.errors import BadJson, EdgeLakeError, MissingOption, WrongValue
from edgelake.language.command import Option
from edgelake.language.diagnostics import shortened
from edgelake.language.expansion import expand_text
from edgelake.language.options import OptionReader
from edgelake.language.syntax import Filtered, Group, Item, Test
from edgelake.language.values import ValueType
from edgelake.language.variables import Variables

__all__ = ["Dotted", "DottedValue", "GroupValue", "OptionGroup", "Sort", "SortKey"]

_SORT_KEY = re.compile(r"([1-9][0-9]{0,3})(?: (asc|desc))?")


@dataclass(frozen=True, slots=True)
class Dotted:
    """Options of a group whose keys hold names: ``column.<name>.<type>``.

    Attributes
    ----------
    prefix : str
        First part of such keys.
    forms : mapping of int to ValueType
        The type of the value by the number of parts behind the prefix.
    parts : tuple of str
        What the parts behind the prefix are called.
    last : ValueType or None
        Type of the last part if there are as many parts as can be.
    required : bool
        One such option at least has to be given.
    """

    prefix: str
    forms: Mapping[int, ValueType]
    parts: tuple[str, ...]
    last: ValueType | None = None
    required: bool = False
    help: str = ""

    @property
    def usage(self) -> str:
        """The keys as usage lines show them."""
        return ".".join((self.prefix, *(f"<{part}>" for part in self.parts)))

    def option(self, key: str) -> Option | None:
        """Return the option of such a key, ``None`` if it is not of this family.

        Raises
        ------
        WrongValue
            The last part does not fit its type.
        """
        prefix, *parts = key.split(".")
        if prefix != self.prefix or not all(parts):
            return None
        kind = self.forms.get(len(parts))
        if kind is None:
            return None
        if self.last is not None and len(parts) == len(self.parts):
            try:
                self.last.parse(parts[-1])
            except WrongValue as exc:
                exc.message = f"'{shortened(key)}': {exc.message}"
                raise
        return Option(key, kind)


@dataclass(frozen=True, slots=True)
class DottedValue:
    """One option of such a family: what stands behind the points, and the value."""

    prefix: str
    parts: tuple[str, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class GroupValue:
    """The options of a group.

    Attributes
    ----------
    options : mapping of str to Any
        All declared options; defaults where nothing was given, tuples for repeatable ones.
    dotted : tuple of DottedValue
        Options whose keys hold names, in the order given.
    given : frozenset of str
        Keys of the options that were written.
    """

    options: Mapping[str, Any]
    dotted: tuple[DottedValue, ...]
    given: frozenset[str]


class OptionGroup(ValueType):
    """Options in parentheses, ``(key = value and key = value)``, as the value of an option.

    Parameters
    ----------
    name : str
        What has the options, in messages: the key of the option.
    options : sequence of Option
    dotted : sequence of Dotted
    """

    metavar = "(key = value and …)"
    takes_groups = True
    by_text = False
    any_option: Option | None = None
    elsewhere: tuple[str, ...] = ()

    def __init__(self, name: str, options: Sequence[Option], dotted: Sequence[Dotted] = ()) -> None:
        self.name = name
        self.options = tuple(options)
        self._dotted = tuple(dotted)

    def option(self, key: str) -> Option | None:
        """Return the option of that key, ``None`` if there is none."""
        for option in self.options:
            if option.key == key:
                return option
        found = (family.option(key) for family in self._dotted)
        return next((option for option in found if option is not None), None)

    def parse(self, text: str) -> GroupValue:
        """Refuse a text: options in parentheses are no text."""
        raise WrongValue(f"'{shortened(text)}' is not in parentheses", hint=self._hint())

    def take(self, items: Sequence[Item], variables: Variables) -> GroupValue:
        """Return the options.

        Raises
        ------
        CommandSyntaxError, BadArgument, UndefinedVariable
            With ``offset``.
        """
        group = items[0]
        if len(items) != 1 or not isinstance(group, Group):
            return self.parse(expand_text(items, variables, strict=True))
        if len(group.entries) != 1 or isinstance(group.entries[0], Filtered):
            what = "no options" if not group.entries else "no list of values"
            raise WrongValue(f"'{self.name}' takes {what}", hint=self._hint())

        def typed(
            key: str, take: Callable[[Sequence[Item], Variables], Any], words: tuple[Item, ...]
        ) -> Any:
            try:
                return take(words, variables)
            except EdgeLakeError as exc:
                if isinstance(exc, WrongValue | BadJson):
                    exc.message = f"{key}: {exc.message}"
                if exc.offset is None:
                    exc.offset = words[0].start
                raise

        reader = OptionReader(self, group.end - 1, typed, text=group.source, begin=group.start)
        given = reader.read(group.entries[0])
        declared = {option.key for option in self.options}
        dotted = tuple(
            DottedValue(key.partition(".")[0], tuple(key.split(".")[1:]), value)
            for key, value in given.values.items()
            if key not in declared
        )
        for family in self._dotted:
            if family.required and all(value.prefix != family.prefix for value in dotted):
                error = MissingOption(
                    f"option '{family.prefix}' is required in '{self.name}'",
                    hint=f"add: {family.usage} = <value>",
                )
                error.offset = group.end - 1
                raise error
        options = {key: value for key, value in given.values.items() if key in declared}
        return GroupValue(options, dotted, frozenset(given.given))

    def describe(self) -> str:
        """Return what is accepted."""
        keys = [option.key for option in self.options] + [one.usage for one in self._dotted]
        return "options in parentheses: " + ", ".join(keys)

    def _hint(self) -> str:
        required = [option.usage for option in self.options if option.required]
        return f"write ({' and '.join([*required, '…'])})"


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column by its number, from 1, and whether its largest values come first."""

    column: int
    descending: bool = False

    def __str__(self) -> str:
        """Return ``1 asc`` or ``1 desc``."""
        return f"{self.column} {'desc' if self.descending else 'asc'}"


class Sort(ValueType):
    """An order of rows: ``(1, 3 desc)``. A tuple of `SortKey`."""

    metavar = "(<column> asc|desc, …)"
    takes_groups = True
    greedy = True
    by_text = False

    def parse(self, text: str) -> tuple[SortKey, ...]:
        """Return the one column that a text names."""
        match = _SORT_KEY.fullmatch(text)
        if match is None:
            raise WrongValue(
                f"'{shortened(text)}' is not a column to sort by", hint=f"write {self.describe()}"
            )
        return (SortKey(int(match[1]), match[2] == "desc"),)

    def take(self, items: Sequence[Item], variables: Variables) -> tuple[SortKey, ...]:
        """Return the columns, each once, in the order given."""
        group = items[0]
        if len(items) != 1 or not isinstance(group, Group):
            return self.parse(expand_text(items, variables, strict=True))
        found: list[SortKey] = []
        for entry in group.entries:
            if not isinstance(entry, Test) or entry.operator:
                raise WrongValue("not an order of columns", hint=f"write {self.describe()}")
            found += self.parse(expand_text(entry.left, variables, strict=True))
        columns = [key.column for key in found]
        if len(set(columns)) != len(columns) or not columns:
            what = "a column stands in the order twice" if columns else "the order is empty"
            raise WrongValue(what, hint=f"write {self.describe()}")
        return tuple(found)

    def describe(self) -> str:
        """Return what is accepted."""
        return "numbers of columns, for example (1, 3 desc)"
