"""Option lists: ``key = value and key = value``, checked against a declaration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from edgelake.errors import (
    CommandSyntaxError,
    DuplicateOption,
    EdgeLakeError,
    MissingOption,
    OptionNotAvailable,
    UnknownOption,
    WrongValue,
)
from edgelake.language.command import Option
from edgelake.language.diagnostics import nearest, shortened
from edgelake.language.places import place
from edgelake.language.secrets import HIDDEN, take_of
from edgelake.language.syntax import (
    And,
    Condition,
    Group,
    Item,
    Not,
    Or,
    Quoted,
    Test,
    Word,
)
from edgelake.language.variables import Variables

__all__ = ["Given", "OptionReader", "Schema"]

_E = TypeVar("_E", bound=EdgeLakeError)
_Items: TypeAlias = tuple[Item, ...]
_Typed: TypeAlias = Callable[[str, Callable[[Sequence[Item], Variables], Any], _Items], Any]


@dataclass(frozen=True, slots=True)
class Given:
    """Options of one call.

    Attributes
    ----------
    values : dict of str to Any
        All declared options, defaults where nothing was given; and pairs of other keys, in
        their order, if the command takes any.
    given : dict of str to tuple
        For each option that was written, the words of each of its values.
    """

    values: dict[str, Any]
    given: dict[str, tuple[_Items, ...]]


class Schema(Protocol):
    """What an option list is checked against: a command, or an option that holds options."""

    @property
    def name(self) -> str:
        """What has the options."""

    @property
    def options(self) -> Sequence[Option]:
        """The options."""

    @property
    def any_option(self) -> Option | None:
        """What every key stands for that is not declared, ``None`` if there must be none."""

    @property
    def elsewhere(self) -> Sequence[str]:
        """Keys that nodes of the network know, and this version does not."""

    def option(self, key: str) -> Option | None:
        """Return the option of that key, ``None`` if there is none."""


class OptionReader:
    """Reads one option list.

    Parameters
    ----------
    schema : Schema
    end : int
        Where the list ends in the text, for what is missing.
    typed : callable
        Returns the typed value of words, its errors placed.
    text : str
        The text that was parsed, or a part of it.
    begin : int or None
        Where that part begins: the columns of errors are then left to whoever has the
        whole text.
    """

    def __init__(
        self, schema: Schema, end: int, typed: _Typed, *, text: str, begin: int | None = None
    ) -> None:
        self._schema = schema
        self._end = end
        self._typed = typed
        self._source = text
        self._begin = begin
        self._values: dict[str, list[Any]] = {}
        self._items: dict[str, list[_Items]] = {}

    def read(self, where: Condition | None) -> Given:
        """Return the options; without a list, the defaults.

        Raises
        ------
        CommandSyntaxError, UnknownOption, MissingOption, DuplicateOption, WrongValue, BadJson
        """
        for part in self._parts(where):
            self._pair(part)
        values: dict[str, Any] = {}
        if self._schema.any_option is not None:
            values.update((key, found[0]) for key, found in self._values.items())
        for option in self._schema.options:
            found = self._values.get(option.key)
            if found is None:
                if option.required:
                    raise self._fault(
                        MissingOption(
                            f"option '{option.key}' is required", hint=f"add: {option.usage}"
                        ),
                        self._end,
                    )
                values[option.key] = _default(option)
            else:
                values[option.key] = tuple(found) if option.repeatable else found[0]
        for key, more in self._values.items():
            values.setdefault(key, more[0])  # a key that stands for a family of them
        return Given(values, {key: tuple(items) for key, items in self._items.items()})

    def defaults(self) -> Given:
        """Return what a command gets that may stand without its list, and does."""
        return Given({option.key: _default(option) for option in self._schema.options}, {})

    # --------------------------------------------------------------- pairs

    def _parts(self, where: Condition | None) -> Sequence[Condition]:
        """Return the pairs of a list that ``and`` joins."""
        if where is None:
            return ()
        if isinstance(where, Or):
            raise self._fault(
                CommandSyntaxError("'or' cannot join options", hint="write 'and', or quote a text"),
                where.parts[1].start,
            )
        return where.parts if isinstance(where, And) else (where,)

    def _pair(self, part: Condition) -> None:
        if isinstance(part, Not) or not isinstance(part, Test):
            raise self._fault(
                CommandSyntaxError("not an option", hint="write key = value"), part.start
            )
        if part.operator != "=":
            raise self._no_equals(part)
        option = self._option(part)
        for items in self._single_values(option, part.right):
            value = self._typed(option.key, take_of(option), items)
            self._add(option, value, items)

    def _no_equals(self, part: Test) -> CommandSyntaxError:
        """Return the error for a pair without ``=``."""
        if part.operator:
            return self._fault(
                CommandSyntaxError(f"'{part.operator}' in an option", hint="write '='"),
                part.operator_start,
            )
        key = self._text(part.left[:1])
        if len(part.left) == 1 and isinstance(part.left[0], Group):
            return self._fault(
                CommandSyntaxError("not an option", hint="write key = value without parentheses"),
                part.start,
            )
        return self._fault(
            CommandSyntaxError(
                f"missing '=' after '{shortened(key)}'", hint=f"write {key} = value"
            ),
            part.left[0].end,
        )

    def _option(self, part: Test) -> Option:
        """Return the declared option of a pair."""
        key = self._text(part.left)
        if self._schema.any_option is not None and not all(map(_is_name, part.left)):
            raise self._fault(
                CommandSyntaxError(f"'{shortened(key)}' is no key", hint="write key = value"),
                part.start,
            )
        try:
            option = self._schema.option(key)
        except WrongValue as exc:
            raise self._fault(exc, part.left[0].start) from exc
        if option is not None:
            return option
        name, keys = self._schema.name, [option.key for option in self._schema.options]
        near = nearest(key, keys)
        listed = "options: " + ", ".join(keys) if keys else "it has none"
        if key in self._schema.elsewhere:
            absent = OptionNotAvailable(
                f"option '{key}' of '{name}' is not available in this version", hint=listed
            )
            raise self._fault(absent, part.left[0].start)
        hint = f"did you mean '{near}'? {listed}" if near else listed
        raise self._fault(
            UnknownOption(f"'{name}' has no option '{shortened(key)}'", hint=hint),
            part.left[0].start,
        )

    def _single_values(self, option: Option, right: _Items) -> list[_Items]:
        """Return the words of each value; ``(a, b)`` gives two."""
        only = right[0]
        if len(right) > 1 or not isinstance(only, Group) or option.type.takes_groups:
            return [right]
        found: list[_Items] = []
        for entry in only.entries:
            if not isinstance(entry, Test) or entry.operator:
                raise self._fault(
                    CommandSyntaxError(
                        f"'{option.key}' takes no nested options", hint=f"write {option.usage}"
                    ),
                    only.start,
                )
            found.append(entry.left)
        if not found:
            raise self._fault(
                CommandSyntaxError(
                    f"missing value of '{option.key}'", hint=f"write {option.usage}"
                ),
                only.start,
            )
        return found

    def _add(self, option: Option, value: Any, items: _Items) -> None:
        key = option.key
        before = self._values.setdefault(key, [])
        if value in before:
            shown = HIDDEN if option.secret else shortened(self._text(items))
            raise self._fault(
                DuplicateOption(f"{key} = {shown} is given twice", hint="leave one of them out"),
                items[0].start,
            )
        if before and not option.repeatable:
            raise self._fault(
                DuplicateOption(
                    f"'{key}' takes one value and has two", hint="leave one of them out"
                ),
                items[0].start,
            )
        before.append(value)
        self._items.setdefault(key, []).append(items)

    # --------------------------------------------------------------- parts

    def _text(self, items: _Items) -> str:
        """Return words as written, blanks made single, double quotes removed."""
        return " ".join(
            item.text
            if isinstance(item, Quoted)
            else item.literal
            if isinstance(item, Word) and item.literal is not None
            else self._source[item.start - (self._begin or 0) : item.end - (self._begin or 0)]
            for item in items
        )

    def _fault(self, error: _E, offset: int) -> _E:
        if self._begin is None:
            return place(error, self._source, offset)
        error.offset = offset
        return error


def _is_name(item: Item) -> bool:
    """Return whether a word of a key stands for itself."""
    return isinstance(item, Quoted) or (isinstance(item, Word) and item.literal is not None)


def _default(option: Option) -> Any:
    return () if option.repeatable and option.default is None else option.default
