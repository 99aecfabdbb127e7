"""A command with everything it needs to run: what `bind` and `read_call` return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from edgelake.errors import WrongValue
from edgelake.interfaces import Bring
from edgelake.language.command import Command, Where
from edgelake.language.expansion import lookup
from edgelake.language.forms import reference_in
from edgelake.language.places import column_of, place
from edgelake.language.syntax import CommandStatement, Condition, Item, Statement
from edgelake.language.variables import Variables

__all__ = ["Call", "Written"]

Written: TypeAlias = tuple[CommandStatement, Mapping[str, tuple[tuple[Item, ...], ...]]]
"""How a call was written: its statement, and the words of each value by name."""


class Call:
    """A command with everything it needs to run.

    Attributes
    ----------
    command : Command
    arguments : mapping of str to Any
        Typed values by name; ``None`` for those not given, tuples for repeatable ones.
    options : mapping of str to Any
        Typed values of all declared options, defaults filled in; tuples for
        repeatable ones.
    given : frozenset of str
        Keys of the options that were written.
    text : str
        The words behind the name, expanded, joined by one blank.
    value : Any
        What follows ``=``.
    bring : Bring or None
        What ``bring`` asks for, if it is written.

    Notes
    -----
    Handlers read it and do not change it. Its other properties cost a parse when the
    values of the call were found without one; most handlers never ask for them.
    """

    __slots__ = (
        "_read",
        "_variables",
        "_written",
        "arguments",
        "bring",
        "command",
        "given",
        "options",
        "text",
        "value",
    )

    def __init__(
        self,
        command: Command,
        arguments: Mapping[str, Any],
        options: Mapping[str, Any],
        given: frozenset[str],
        text: str,
        value: Any,
        variables: Variables,
        read: Callable[[], Written],
        bring: Bring | None = None,
    ) -> None:
        self.command = command
        self.arguments = arguments
        self.options = options
        self.given = given
        self.text = text
        self.value = value
        self.bring = bring
        self._variables = variables
        self._read = read
        self._written: Written | None = None

    @property
    def statement(self) -> CommandStatement:
        """The statement it was made of."""
        return self._parts()[0]

    @property
    def words(self) -> tuple[Item, ...]:
        """The words behind the name, as nodes."""
        return self.statement.words[len(self.command.words) :]

    @property
    def condition(self) -> Condition | None:
        """The condition of a command that takes one: behind ``where``, ``if`` or ``for``."""
        statement = self.statement
        return statement.where if self.command.where is Where.CONDITION else statement.condition

    @property
    def body(self) -> Statement | None:
        """The statement behind ``then``, ``do``, ``else`` or ``task``."""
        return self.statement.body

    @property
    def source(self) -> str:
        """The command as written, secret values replaced by ``***``."""
        statement, items = self._parts()
        source, start = statement.source, statement.start
        spans = [
            (written[0].start - start, written[-1].end - start)
            for name in self.command.secrets
            for written in items.get(name, ())
        ]
        for first, last in sorted(spans, reverse=True):
            source = f"{source[:first]}***{source[last:]}"
        return source

    def secret_values(self) -> list[str]:
        """Return the texts of the values that must not be shown."""
        found: list[Any] = []
        for argument in self.command.taken_words:
            if argument.secret:
                is_value = argument is self.command.value
                found.append(self.value if is_value else self.arguments.get(argument.name))
        found += (self.options.get(o.key) for o in self.command.options if o.secret)
        texts: list[str] = []
        for value in found:
            several = value if isinstance(value, tuple) else (value,)
            texts += (str(one) for one in several if one is not None)
        return texts

    def column(self, name: str) -> int | None:
        """Return the column, from 1, where the value of a name stands, if it was given."""
        statement, items = self._parts()
        found = items.get(name)
        return column_of(statement.text, found[0][0].start) if found else None

    def references(self, key: str) -> dict[str, str]:
        """Return names and values of the references given for an option.

        Raises
        ------
        WrongValue
            A value of the option is not ``!name``.
        """
        if key not in self.given and self.arguments.get(key) is None:
            return {}
        found: dict[str, str] = {}
        statement, written = self._parts()
        for items in written.get(key, ()):
            reference = reference_in(items)
            if reference is None:
                raise place(
                    WrongValue(f"'{key}' takes references", hint=f"write {key} = !name"),
                    statement.text,
                    items[0].start,
                )
            found[reference.name] = lookup(reference, self._variables) or ""
        return found

    def _parts(self) -> Written:
        if self._written is None:
            self._written = self._read()
        return self._written
