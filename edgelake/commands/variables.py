"""Variables of the node and of its environment."""

from __future__ import annotations

import os

from edgelake.commands.context import Context
from edgelake.commands.environment import set_environment
from edgelake.commands.json_data import set_keys
from edgelake.commands.rendering import FORMAT, answer
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import (
    HIDDEN,
    Argument,
    Call,
    CommandSet,
    JsonValue,
    KeyPath,
    KeyValue,
    Reference,
    Text,
    VariableName,
    Where,
    is_secret_name,
    redacted,
)

__all__ = ["commands"]

commands = CommandSet(group="variables", topics=("dictionary",))

_HIDDEN = (
    "Values whose names look like those of passwords, tokens and keys are shown as ***;\n"
    "'get {}' shows a single one as it is, at the node itself."
)


class _Target(VariableName):
    """Name of a variable, or of a key in the JSON object it holds: ``x[key][key]``."""

    def parse(self, text: str) -> str:
        """Return the text, with the brackets."""
        name, bracket, _ = text.partition("[")
        super().parse(name if bracket and name else text)
        return text

    def plain(self, text: str) -> str:
        """Return the text, with the brackets."""
        return self.parse(text)


@commands.command(
    "set",
    summary="give a variable a value; an empty value removes it",
    arguments=(
        Argument("name", _Target(), help="the variable, or name[key] of the object it holds"),
    ),
    value=Argument("value", Text(empty=True), help="one word; quote text with blanks"),
    permission=Permission.ADMIN,
    details=(
        "The value is stored as it is, never run as a command. name[key] sets one key, as\n"
        "'set policy' does."
    ),
    examples=(
        "set berth = 7",
        'set owner = "North Pier"',
        'set owner = ""',
        "set node[operator][name] = fen-01",
    ),
    related=("get", "get dictionary", "set policy"),
)
def _set(context: Context, call: Call) -> Result:
    name: str = call.arguments["name"]
    value: str = call.value
    if "[" in name:
        statement = call.statement
        target = call.words[0]
        written = statement.text[target.start : target.end]
        keys = KeyPath().read(written[written.index("[") :], context.variables)
        data = JsonValue().take(statement.tail, context.variables)
        set_keys(context.variables, name[: name.index("[")], [KeyValue(keys, data)])
        return Result()
    if name.startswith("$"):
        set_environment(context, name[1:], value)
    elif value:
        context.node.variables.set(name, value)
    else:
        context.node.variables.delete(name)
    return Result()


@commands.command(
    "get",
    summary="show the value of a variable",
    arguments=(Argument("reference", Reference(), help="!name or $NAME"),),
    permission=Permission.READ,
    examples=("get !blockchain_file", "get $HOME"),
    related=("set", "get dictionary"),
)
def _get(context: Context, call: Call) -> Result:
    value = call.arguments["reference"]
    return Result(value, value)


@commands.command(
    "get dictionary",
    summary="list the variables",
    arguments=(Argument("part", Text(), required=False, help="only names that contain this text"),),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    details=_HIDDEN.format("!name"),
    examples=("get dictionary", "get dictionary dir", "get dictionary where format = json"),
    related=("set", "get", "get env var"),
)
def _get_dictionary(context: Context, call: Call) -> Result:
    part = call.arguments.get("part") or ""
    data = {
        name: HIDDEN if is_secret_name(name) else value
        for name, value in context.node.variables.items()
        if part in name
    }
    return answer(data, Table(("Name", "Value"), sorted(data.items())), call.options)


@commands.command(
    "get env var",
    summary="list the variables of the environment",
    arguments=(Argument("part", Text(), required=False, help="only names that contain this text"),),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    details=_HIDDEN.format("$NAME"),
    examples=("get env var", "get env var HOME", "get env var where format = json"),
    related=("get", "get dictionary"),
)
def _get_env_var(context: Context, call: Call) -> Result:
    part = call.arguments.get("part") or ""
    registry = context.interpreter.registry
    data = {
        name: HIDDEN if is_secret_name(name) else redacted(value, registry)
        for name, value in sorted(os.environ.items())
        if part in name
    }
    return answer(data, Table(("Name", "Value"), list(data.items())), call.options)
