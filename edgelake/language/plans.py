"""Calls of commands whose shape is known: without a parse, by a plan made at the first one.

A plan says which command a shape is, which of its values are the same in all texts of
the shape, and which words each of the others is read from. Whatever does not fit a plan
(a wrong value, a duplicate) is parsed and bound like any other text, which says what
is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edgelake.errors import EdgeLakeError
from edgelake.language.binding import Binder, binder_of
from edgelake.language.call import Call, Written
from edgelake.language.command import Argument, Command, Form, Option, Where
from edgelake.language.parser import parse_remote
from edgelake.language.registry import CommandRegistry
from edgelake.language.shapes import JSON, QUOTED, VALUES, Memory, Shape, ShapeReader
from edgelake.language.syntax import Statement
from edgelake.language.variables import Variables

__all__ = ["Plans", "bind_and_learn", "read_remote", "recall"]

_VALUE = "value"


class _Fill(NamedTuple):
    """A value to read anew: its name, its type's `parse`, its words, whether it is a tuple."""

    name: str
    parse: Callable[[str], Any]
    words: int | slice
    repeatable: bool


class _Plan(NamedTuple):
    """How to make the call of a text from its words."""

    command: Command
    arguments: Mapping[str, Any]
    options: Mapping[str, Any]
    given: frozenset[str]
    value: Mapping[str, Any]
    argument_fills: tuple[_Fill, ...]
    option_fills: tuple[_Fill, ...]
    value_fills: tuple[_Fill, ...]
    name_words: int
    json: bool


class Plans:
    """Plans for the commands of one registry. Thread-safe."""

    def __init__(self, registry: CommandRegistry) -> None:
        self.shapes = ShapeReader(registry)
        self.memory: Memory[_Plan | None] = Memory()

    @staticmethod
    def of(registry: CommandRegistry) -> Plans:
        """Return the plans of a registry."""
        found = registry.plans
        if found is None:
            # Of two threads that come here at once one learns for nothing; that is all.
            found = registry.plans = Plans(registry)
        assert isinstance(found, Plans)
        return found


def recall(
    text: str,
    registry: CommandRegistry,
    variables: Variables,
    *,
    check: Callable[[Command], None] | None = None,
) -> Call | None:
    """Return the call of a text whose shape is known, ``None`` if it has to be parsed.

    The call is the one that `bind` returns for the one statement of the text.
    The parameters are those of `bind`.

    Raises
    ------
    EdgeLakeError
        Only what `check` raises.
    """
    plans = Plans.of(registry)
    shape, words = plans.shapes.read(text)
    plan = plans.memory.get(shape)
    return _call(plan, text, words, registry, variables, check) if plan is not None else None


def read_remote(
    text: str,
    registry: CommandRegistry,
    variables: Variables,
    *,
    check: Callable[[Command], None] | None = None,
) -> Call:
    """Return the call that a peer's text is: what `parse_remote` and `bind` give, or a plan.

    The parameters are those of `bind`.

    Raises
    ------
    EdgeLakeError
        What `parse_remote`, `check` and `bind` raise.
    """
    call = recall(text, registry, variables, check=check)
    if call is None:
        statement = parse_remote(text, registry)
        call = bind_and_learn(statement, registry, variables, check=check)
    return call


def bind_and_learn(
    statement: Statement,
    registry: CommandRegistry,
    variables: Variables,
    *,
    check: Callable[[Command], None] | None = None,
) -> Call:
    """Return what `bind` returns; remember how, if the statement is all of its text.

    Parameters and errors are those of `bind`.

    Notes
    -----
    Thread-safe. The newest `limits.MAX_SHAPES` shapes are remembered.
    """
    binder = binder_of(statement, registry, variables, check=check)
    call = binder.call()
    if statement.start == 0 and statement.end == len(statement.text):
        plans = Plans.of(registry)
        shape, words = plans.shapes.read(statement.text)
        if shape and shape not in plans.memory:
            plans.memory.put(shape, _planned(call, binder, registry, shape, words))
    return call


# ------------------------------------------------------------------- parts


def _call(
    plan: _Plan,
    text: str,
    words: list[str],
    registry: CommandRegistry,
    variables: Variables,
    check: Callable[[Command], None] | None,
) -> Call | None:
    command = plan.command
    if check is not None:
        check(command)
    if plan.json and not variables.foreign and ("!" in text or "$" in text):
        return None  # references in JSON
    try:
        arguments = _filled(plan.arguments, plan.argument_fills, words)
        value = _filled(plan.value, plan.value_fills, words)
        options = _filled(plan.options, plan.option_fills, words)
    except EdgeLakeError:
        return None  # the same again with places

    def written() -> Written:
        statement = parse_remote(text, registry)
        binder = Binder(statement, command, variables)
        binder.call()
        return binder.written()

    spoken = " ".join(words[plan.name_words :]) if command.text else ""
    return Call(command, arguments, options, plan.given, spoken, value[_VALUE], variables, written)


def _filled(
    values: Mapping[str, Any], fills: tuple[_Fill, ...], words: list[str]
) -> Mapping[str, Any]:
    if not fills:
        return values
    found = {**values}
    for name, parse, where, repeatable in fills:
        value = parse(words[where] if type(where) is int else " ".join(words[where]))
        found[name] = (value,) if repeatable else value
    return found


def _planned(
    call: Call, binder: Binder, registry: CommandRegistry, shape: Shape, words: list[str]
) -> _Plan | None:
    """Return the plan that a call's shape allows, ``None`` if it allows none."""
    command = call.command
    behind_name = shape[len(command.words) : len(command.words) + 1]
    if command.form not in (Form.VERB, Form.FREE) or command.where is Where.CONDITION:
        return None  # what they take is more than values
    if behind_name == (QUOTED,) and registry.is_family(command.words):
        return None  # another text in the quotes may belong to the name
    numbers = _word_numbers(shape, words)
    fills: dict[str, list[_Fill]] = {"arguments": [], "value": [], "options": []}
    names: set[tuple[str, str]] = set()
    values = 0
    for taken in binder.taken:
        declared = _declared(command, taken.part, taken.name)
        if (taken.part, taken.name) in names or not declared.type.by_text:
            return None  # several values of one name are compared with one another
        names.add((taken.part, taken.name))
        first = numbers[taken.items[0].start]
        behind = first + len(taken.items)
        own_values = sum(mark in VALUES for mark in shape[first:behind])
        values += own_values
        if own_values:
            fills[taken.part].append(
                _Fill(
                    _VALUE if taken.part == _VALUE else taken.name,
                    declared.type.parse,
                    first if behind - first == 1 else slice(first, behind),
                    declared.repeatable,
                )
            )
    if values != sum(mark in VALUES for mark in shape):
        return None  # a name or a key in quotes
    return _Plan(
        command,
        _without(call.arguments, fills["arguments"]),
        _without(call.options, fills["options"]),
        call.given,
        _without({_VALUE: call.value}, fills["value"]),
        tuple(fills["arguments"]),
        tuple(fills["options"]),
        tuple(fills["value"]),
        len(command.words),
        JSON in shape,
    )


def _declared(command: Command, part: str, name: str) -> Argument | Option:
    if part == "options":
        option = command.option(name)
        assert option is not None
        return option
    if part == "value":
        assert command.value is not None
        return command.value
    return next(argument for argument in command.arguments if argument.name == name)


def _without(values: Mapping[str, Any], fills: list[_Fill]) -> dict[str, Any]:
    """Return the values without those that are read anew, which may be large or secret."""
    return {**values, **dict.fromkeys(fill.name for fill in fills)}


def _word_numbers(shape: Shape, words: list[str]) -> dict[int, int]:
    """Return the number of each word by where it starts."""
    numbers: dict[int, int] = {}
    at = 0
    for number, (mark, word) in enumerate(zip(shape, words, strict=True)):
        numbers[at] = number
        at += len(word) + len(" ") + (len('""') if mark == QUOTED else 0)
    return numbers
