"""Variables of the node and of its environment."""

from __future__ import annotations

import os

from edgelake.commands.context import Context
from edgelake.commands.environment import set_environment
from edgelake.commands.rendering import FORMAT, answer
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import (
    HIDDEN,
    Argument,
    Call,
    CommandSet,
    Reference,
    Text,
    VariableName,
    Where,
    is_secret_name,
    redacted,
)

__all__ = ["commands"]

commands = CommandSet(group="variables", topics=("dictionary",))


@commands.command(
    "set",
    summary="give a variable a value; an empty value removes it",
    arguments=(Argument("name", VariableName(), help="the variable"),),
    value=Argument("value", Text(empty=True), help="one word; quote text with blanks"),
    permission=Permission.ADMIN,
    details="The value is stored as it is, never run as a command.",
    examples=("set berth = 7", 'set owner = "North Pier"', 'set owner = ""'),
    related=("get", "get dictionary"),
)
def _set(context: Context, call: Call) -> Result:
    name: str = call.arguments["name"]
    value: str = call.value
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
    examples=("get dictionary", "get dictionary dir", "get dictionary where format = json"),
    related=("set", "get", "get env var"),
)
def _get_dictionary(context: Context, call: Call) -> Result:
    part = call.arguments.get("part") or ""
    data = {name: value for name, value in context.node.variables.items() if part in name}
    return answer(data, Table(("Name", "Value"), sorted(data.items())), call.options)


@commands.command(
    "get env var",
    summary="list the variables of the environment",
    arguments=(Argument("part", Text(), required=False, help="only names that contain this text"),),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    details=(
        "Values whose names look like those of passwords, tokens and keys are shown as ***;\n"
        "'get $NAME' shows a single one as it is."
    ),
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
