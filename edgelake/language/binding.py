"""From a statement to a call: which command it is, and the typed values it carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from edgelake.errors import (
    BadJson,
    CommandError,
    CommandSyntaxError,
    EdgeLakeError,
    OptionNotAvailable,
    WrongValue,
)
from edgelake.interfaces import Bring
from edgelake.language.bring import read_bring
from edgelake.language.call import Call, Written
from edgelake.language.command import Argument, Brings, Command, Form, Where
from edgelake.language.conditions import check_condition
from edgelake.language.diagnostics import shortened
from edgelake.language.expansion import join_words
from edgelake.language.names import find_command
from edgelake.language.options import Given, OptionReader
from edgelake.language.places import place
from edgelake.language.registry import CommandRegistry
from edgelake.language.secrets import take_of
from edgelake.language.syntax import CommandStatement, Item, Mark, Statement
from edgelake.language.variables import Variables

__all__ = ["Binder", "Taken", "bind", "binder_of"]

_T = TypeVar("_T")
_E = TypeVar("_E", bound=EdgeLakeError)


def bind(
    statement: Statement,
    registry: CommandRegistry,
    variables: Variables,
    *,
    check: Callable[[Command], None] | None = None,
) -> Call:
    """Return the call that a command statement stands for.

    Parameters
    ----------
    statement : Statement
        From `parse` or `parse_remote`.
    registry : CommandRegistry
    variables : Variables
        Where references find their values.
    check : callable or None
        Gets the command before any of its words is looked at, and may refuse it.

    Raises
    ------
    UnknownCommand
        No command of that name; the hint names the nearest ones.
    CommandSyntaxError
        Words are missing or too many.
    BadArgument
        A value or option is wrong: `UnknownOption`, `MissingOption`,
        `DuplicateOption`, `WrongValue`, `BadJson`, `BadDestination`.
    UndefinedVariable
        A reference in an argument or option has no value.

    Notes
    -----
    Thread-safe. Every error has ``column``, and ``line`` if the text has several.
    """
    return binder_of(statement, registry, variables, check=check).call()


def binder_of(
    statement: Statement,
    registry: CommandRegistry,
    variables: Variables,
    *,
    check: Callable[[Command], None] | None = None,
) -> Binder:
    """Return what `bind` makes the call with; the parameters are the same."""
    if not isinstance(statement, CommandStatement):
        raise CommandError(f"'{statement.source}' is no command")
    command = find_command(statement, registry)
    if check is not None:
        check(command)
    return Binder(statement, command, variables)


@dataclass(frozen=True, slots=True)
class Taken:
    """A typed value and where it came from.

    Attributes
    ----------
    part : str
        ``arguments``, ``value`` or ``options``.
    name : str
    items : tuple of Item
        The words the type was given.
    """

    part: str
    name: str
    items: tuple[Item, ...]


class Binder:
    """Reads the parts of one statement as its command declares them.

    Attributes
    ----------
    taken : list of Taken
        What the types of the command were asked for, in order.
    """

    def __init__(self, statement: CommandStatement, command: Command, variables: Variables) -> None:
        self._statement = statement
        self._command = command
        self._variables = variables
        self._rest = statement.words[len(command.words) :]
        self._items: dict[str, tuple[tuple[Item, ...], ...]] = {}
        self._part = "arguments"
        self.taken: list[Taken] = []

    def call(self) -> Call:
        """Return the call."""
        command = self._command
        self._check_shape()
        arguments = self._arguments()
        value = self._value()
        options = self._options()
        for key, given in options.given.items():
            self._items[key] = given
        self._check_clauses()
        return Call(
            command,
            arguments,
            options.values,
            frozenset(options.given),
            join_words(self._rest, self._variables) if command.text else "",
            value,
            self._variables,
            self.written,
            self._bring(),
        )

    def written(self) -> Written:
        """Return the statement and the words of each value."""
        return self._statement, self._items

    # ------------------------------------------------------------ checks

    def _check_shape(self) -> None:
        """Refuse parts that the command does not have at all."""
        statement, command = self._statement, self._command
        takes_options = command.where is not Where.NONE
        if statement.bring and command.bring is Brings.NONE:
            raise self._fault(
                CommandSyntaxError(
                    f"'{command.name}' takes no 'bring' here",
                    hint="quote the word if it belongs to a value"
                    if statement.equals is None
                    else "write <name> = <command> to store an answer, or quote the word",
                ),
                statement.bring[0].start,
            )
        if statement.equals is not None and command.value is None:
            if takes_options and statement.keyword is None:
                raise self._missing_where()
            raise self._fault(
                CommandSyntaxError(f"'{command.name}' takes no '='", hint=self._usage()),
                statement.equals.start,
            )
        if statement.keyword is not None and not takes_options:
            raise self._fault(
                CommandSyntaxError(
                    f"'{command.name}' takes no options",
                    hint=f"{self._usage()}; quote '{statement.keyword.text}' if it is text",
                ),
                statement.keyword.start,
            )
        if statement.keyword is not None and statement.keyword.text != command.keyword:
            raise self._fault(
                CommandSyntaxError(
                    f"'{command.name}' does not take '{statement.keyword.text}'",
                    hint=f"write '{command.keyword}'",
                ),
                statement.keyword.start,
            )

    def _missing_where(self) -> CommandSyntaxError:
        """Return the error for an option that stands without ``where``."""
        equals = self._statement.equals
        assert equals is not None
        before = [word for word in self._rest if word.end <= equals.start]
        offset = before[-1].start if before else equals.start
        keyword = self._command.keyword
        return self._fault(
            CommandSyntaxError(
                f"missing '{keyword}'", hint=f"write '{keyword}' before the first option"
            ),
            offset,
        )

    # ------------------------------------------------------------- words

    def _arguments(self) -> dict[str, Any]:
        """Return the typed words behind the name."""
        command = self._command
        found: dict[str, Any] = {}
        waiting = [*self._units()]
        for argument in command.arguments:
            if argument.repeatable:
                given = tuple(waiting)
                waiting = []
            elif argument.type.greedy:
                given = (tuple(item for unit in waiting for item in unit),) if waiting else ()
                waiting = []
            else:
                given = (waiting.pop(0),) if waiting else ()
            found[argument.name] = self._argument(argument, given)
        if waiting:
            raise self._unexpected(waiting[0][0])
        return found

    def _argument(self, argument: Argument, given: tuple[tuple[Item, ...], ...]) -> Any:
        if not given and argument.required:
            raise self._fault(
                CommandSyntaxError(f"missing <{argument.name}>", hint=self._usage()),
                self._name_end(),
            )
        if given:
            self._items[argument.name] = given
        values = [self._typed(argument.name, take_of(argument), items) for items in given]
        if argument.repeatable:
            return tuple(values)
        return values[0] if values else None

    def _units(self) -> list[tuple[Item, ...]]:
        """Return the words as they belong together: ``a + b`` is one value."""
        destination = self._statement.destination
        units: list[list[Item]] = [[*destination]] if destination else []
        last = self._command.arguments[-1].type if self._command.arguments else None
        if self._command.text or self._command.remote or (last is not None and last.takes_plus):
            return [*map(tuple, units), *((item,) for item in self._rest)]
        glue = False
        for item in self._rest:
            plus = isinstance(item, Mark) and item.text == "+"
            if units and (glue or plus):
                units[-1].append(item)
            else:
                units.append([item])
            glue = plus
        if glue:
            raise self._fault(
                CommandSyntaxError("missing text after '+'", hint="write a word after it"),
                units[-1][-1].end,
            )
        return [tuple(unit) for unit in units]

    def _value(self) -> Any:
        """Return the typed value behind ``=``."""
        self._part = "value"
        declared, statement = self._command.value, self._statement
        if declared is None:
            return None
        if statement.equals is None:
            if declared.required:
                raise self._fault(
                    CommandSyntaxError(f"missing = <{declared.name}>", hint=self._usage()),
                    statement.end,
                )
            return None
        tail = statement.tail
        joined = any(isinstance(item, Mark) and item.text == "+" for item in tail)
        if len(tail) > 1 and not declared.type.greedy and not joined:
            raise self._fault(
                CommandSyntaxError(
                    "a value with blanks needs quotes", hint='write = "a text with blanks"'
                ),
                tail[1].start,
            )
        self._items[declared.name] = (tail,)
        return self._typed(declared.name, take_of(declared), tail)

    def _typed(
        self, name: str, take: Callable[[Sequence[Item], Variables], _T], items: tuple[Item, ...]
    ) -> _T:
        """Return a typed value; its errors get the place of the words."""
        self.taken.append(Taken(self._part, name, items))
        try:
            return take(items, self._variables)
        except EdgeLakeError as exc:
            if exc.column is not None:
                # A type knows where in the text its words stand, not in which line.
                raise (exc if exc.line is not None else self._fault(exc, exc.column - 1)) from None
            if isinstance(exc, WrongValue | BadJson | OptionNotAvailable):
                exc.message = f"{name}: {exc.message}"
            offset = items[0].start if exc.offset is None else exc.offset
            raise self._fault(exc, offset) from exc.__cause__

    def _options(self) -> Given:
        """Return the typed options."""
        self._part = "options"
        statement, command = self._statement, self._command
        reader = self._reader()
        if command.form is Form.SCHEDULE:
            return reader.read(statement.condition)
        if command.where is Where.REQUIRED and statement.where is None:
            required = [option.usage for option in command.options if option.required]
            hint = f"write {command.keyword} " + " and ".join(required or ["key = value"])
            raise self._fault(
                CommandSyntaxError(f"missing '{command.keyword}'", hint=hint), statement.end
            )
        where = None if command.where is Where.CONDITION else statement.where
        if where is None and command.where is Where.OPTIONAL:
            return reader.defaults()
        return reader.read(where)

    def _bring(self) -> Bring | None:
        """Return what ``bring`` asks for."""
        statement = self._statement
        if statement.bring:
            try:
                return read_bring(statement.bring, self._variables)
            except EdgeLakeError as exc:
                raise self._fault(exc, (exc.column or 1) - 1) from None
        if self._command.bring is Brings.REQUIRED:
            raise self._fault(
                CommandSyntaxError("missing 'bring'", hint=self._usage()), statement.end
            )
        return None

    def _reader(self) -> OptionReader:
        statement = self._statement
        return OptionReader(self._command, statement.end, self._typed, text=statement.text)

    # ----------------------------------------------------------- clauses

    def _check_clauses(self) -> None:
        """Refuse a command of flow without its condition or its statement."""
        statement, form = self._statement, self._command.form
        if form is Form.IF and statement.condition is None:
            raise self._missing("condition", statement.words[-1].end)
        if form is Form.BRANCH and statement.body is None:
            raise self._missing("command", statement.end)
        if form is Form.WAIT and statement.link is not None and statement.condition is None:
            raise self._missing("condition", statement.end)
        if form is Form.SCHEDULE:
            if statement.link is None:
                raise self._missing("'task'", statement.end)
            if statement.body is None:
                raise self._missing("command", statement.end)
        elif statement.condition is not None:
            check_condition(statement.condition, statement.text)

    def _missing(self, what: str, offset: int) -> CommandSyntaxError:
        before = self._statement.link
        behind = before.text if before is not None and before.end <= offset else self._command.name
        return self._fault(
            CommandSyntaxError(f"missing {what} after '{behind}'", hint=self._usage()), offset
        )

    # ------------------------------------------------------------- faults

    def _unexpected(self, item: Item) -> CommandSyntaxError:
        takes_options = self._command.where is not Where.NONE
        shown = self._statement.text[item.start : item.end]
        hint = self._usage()
        if takes_options and self._statement.where is None:
            hint = f"write '{self._command.keyword}' before options; {hint}"
        return self._fault(
            CommandSyntaxError(f"unexpected word '{shortened(shown)}'", hint=hint), item.start
        )

    def _usage(self) -> str:
        return f"write {self._command.usage}"

    def _name_end(self) -> int:
        """Return where words behind the name are missing."""
        count = len(self._command.words)
        words = [*self._statement.words[:count], *self._statement.destination, *self._rest]
        return max(word.end for word in words)

    def _fault(self, error: _E, offset: int) -> _E:
        return place(error, self._statement.text, offset)
