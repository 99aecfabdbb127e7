"""A registry with one command of each form, for tests of the language alone."""

from __future__ import annotations

from typing import Any

from edgelake.commands import network_commands
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    AddressType,
    Argument,
    Boolean,
    Brings,
    Call,
    CommandRegistry,
    CommandSet,
    DateTime,
    Destination,
    Dotted,
    Duration,
    ExpressionText,
    Form,
    Frequency,
    Integer,
    Json,
    JsonPairs,
    JsonValue,
    KeyPath,
    MomentType,
    Name,
    OneOf,
    Option,
    OptionGroup,
    PathType,
    PolicyTypes,
    Port,
    Reference,
    Remote,
    ShellText,
    Size,
    Sort,
    Text,
    Timezone,
    VariableName,
    Where,
    Words,
)

commands = CommandSet(group="sample")
FORMAT = Option("format", OneOf("table", "json"), default="table", help="form of the answer")


def _handler(context: Any, call: Call) -> Result:
    return Result(call.command.name, call.command.name)


def _text(name: str, *, required: bool = True) -> None:
    commands.command(
        name,
        summary=f"{name} words",
        arguments=(Argument("text", Words(), required=required),),
        form=Form.FREE,
    )(_handler)


def _information(name: str, *options: Option) -> None:
    commands.command(
        name,
        summary=f"show the {name.removeprefix('get ')}",
        where=Where.OPTIONAL,
        options=(FORMAT, *options),
        permission=Permission.READ,
        examples=(name,),
    )(_handler)


_text("print")
_text("echo")
_text("help", required=False)
_information("get status", Option("include", Text(), repeatable=True))
for _name in ("connections", "processes", "synchronizer", "databases"):
    _information(f"get {_name}")
_information("get tcp pool", Option("details", Boolean(), default=False))

commands.command("get", summary="show a value", arguments=(Argument("reference", Reference()),))(
    _handler
)
commands.command(
    "get dictionary",
    summary="list the variables",
    arguments=(Argument("part", Text(), required=False),),
    where=Where.OPTIONAL,
    options=(FORMAT,),
)(_handler)
commands.command(
    "set",
    summary="give a variable a value",
    arguments=(Argument("name", VariableName()),),
    value=Argument("value", Text(empty=True)),
)(_handler)
commands.command(
    "set buffer threshold",
    summary="set when buffers are written",
    where=Where.REQUIRED,
    options=(
        Option("dbms", Text()),
        Option("table", Text()),
        Option("time", Duration()),
        Option("volume", Size()),
        Option("write_immediate", Boolean()),
    ),
)(_handler)
commands.command(
    "set query mode",
    summary="bound queries",
    where=Where.REQUIRED,
    options=(Option("timeout", Duration()), Option("max_volume", Size())),
    keyword="using",
)(_handler)
commands.command(
    "create work directories", summary="make the folders of the node", permission=Permission.ADMIN
)(_handler)
commands.command(
    "create table",
    summary="create a table",
    arguments=(Argument("table", Name()),),
    where=Where.REQUIRED,
    options=(Option("dbms", Name(), required=True),),
)(_handler)
commands.command(
    "connect dbms",
    summary="connect a database",
    arguments=(Argument("name", Name()),),
    where=Where.REQUIRED,
    options=(
        Option("type", OneOf("sqlite", "psql"), required=True, help="kind of database"),
        Option("ip", Text()),
        Option("port", Port()),
        Option("user", Text()),
        Option("password", Text(), secret=True),
        Option("memory", Boolean(), default=False),
        Option("autocommit", Boolean(), default=True),
        Option("unlog", Boolean()),
    ),
    permission=Permission.ADMIN,
    details="Repeating a connection changes nothing.",
    examples=("connect dbms blockchain where type = sqlite",),
    related=("create table",),
)(_handler)
commands.command(
    "disconnect dbms", summary="close a database", arguments=(Argument("name", Name()),)
)(_handler)
commands.command(
    "run tcp server",
    summary="listen for messages",
    where=Where.REQUIRED,
    options=(
        Option("external_ip", Text(), required=True),
        Option("external_port", Port(), required=True),
        Option("internal_ip", Text()),
        Option("internal_port", Port()),
        Option("bind", Boolean(), default=False),
        Option("threads", Integer(1, 64), default=6),
    ),
)(_handler)
commands.command(
    "run client",
    summary="send a command to other nodes",
    arguments=(Argument("destination", Destination()), Argument("command", Remote())),
    form=Form.REMOTE,
)(_handler)
commands.command(
    "run blockchain sync",
    summary="keep the ledger in step",
    where=Where.OPTIONAL,
    options=(
        Option("source", OneOf("master", "dbms")),
        Option("time", Duration()),
        Option("dest", OneOf("file", "dbms"), repeatable=True),
        Option("connection", AddressType()),
    ),
)(_handler)
commands.command(
    "blockchain get",
    summary="show policies",
    arguments=(Argument("types", PolicyTypes()),),
    where=Where.CONDITION,
    bring=Brings.OPTIONAL,
    permission=Permission.READ,
)(_handler)
commands.command(
    "blockchain insert",
    summary="add a policy",
    where=Where.REQUIRED,
    options=(
        Option("policy", Json(), required=True),
        Option("local", Boolean()),
        Option("master", AddressType(), repeatable=True),
    ),
)(_handler)
commands.command(
    "blockchain push", summary="store a policy", arguments=(Argument("policy", Json()),)
)(_handler)
commands.command(
    "blockchain delete policy",
    summary="remove a policy",
    where=Where.REQUIRED,
    options=(
        Option("id", Text(), required=True),
        Option("local", Boolean()),
        Option("master", AddressType(), repeatable=True),
    ),
)(_handler)
commands.command(
    "event get_blockchain",
    summary="send the ledger",
    arguments=tuple(Argument(name, Text(), required=False) for name in ("file", "hash", "trace")),
)(_handler)
commands.command(
    "process",
    summary="run a script",
    arguments=(
        Argument("script", PathType()),
        Argument("words", Text(), required=False, repeatable=True),
    ),
)(_handler)
commands.command("exit", summary="stop a service", arguments=(Argument("process", Text()),))(
    _handler
)
commands.command(
    "set remote permission",
    summary="set what peers may do",
    value=Argument("level", OneOf("read", "metadata", "admin")),
)(_handler)
commands.command("if", summary="run a command if a condition holds", form=Form.IF)(_handler)
for _name in ("do", "else"):
    commands.command(_name, summary="the other branch", form=Form.BRANCH)(_handler)
commands.command(
    "wait",
    summary="pause",
    form=Form.WAIT,
    arguments=(Argument("seconds", Integer()),),
)(_handler)
commands.command(
    "schedule",
    summary="run a command again and again",
    form=Form.SCHEDULE,
    where=Where.REQUIRED,
    options=(Option("time", Duration(), required=True), Option("name", Name())),
)(_handler)
commands.command(
    "system",
    summary="run a command of the shell",
    form=Form.SOURCE,
    arguments=(Argument("command", ShellText(timeout=True)),),
)(_handler)
commands.command(
    "python",
    summary="evaluate an expression",
    form=Form.SOURCE,
    arguments=(Argument("expression", ExpressionText()),),
)(_handler)
commands.command(
    "get datetime",
    summary="show a date",
    arguments=(Argument("timezone", Timezone()), Argument("date", MomentType())),
    where=Where.OPTIONAL,
    options=(FORMAT,),
)(_handler)
commands.command(
    "collect data",
    summary="take rows",
    where=Where.REQUIRED,
    options=(
        Option("start_date", DateTime(), required=True),
        Option("rate", Frequency()),
        Option("order", Sort()),
    ),
)(_handler)
COLUMN_TYPE = OneOf("int", "float", "str", "bool", "timestamp")
TOPIC = OptionGroup(
    "topic",
    (
        Option("name", Text(), required=True),
        Option("dbms", Text()),
        Option("table", Text()),
        Option("qos", Integer(0, 2), default=0),
        Option("tag", Name(), repeatable=True),
    ),
    (
        Dotted(
            "column",
            {
                1: OptionGroup(
                    "column",
                    (
                        Option("type", COLUMN_TYPE, required=True),
                        Option("value", Text()),
                        Option("optional", Boolean(), default=False),
                    ),
                ),
                2: Text(),
            },
            ("name", "type"),
            last=COLUMN_TYPE,
            required=True,
        ),
    ),
)
commands.command(
    "subscribe",
    summary="subscribe to topics",
    where=Where.REQUIRED,
    options=(Option("broker", Text(), required=True), Option("topic", TOPIC, repeatable=True)),
)(_handler)

commands.command(
    "from",
    summary="take values out",
    arguments=(Argument("value", Json(any_value=True)),),
    bring=Brings.REQUIRED,
)(_handler)
commands.command(
    "set policy",
    summary="set keys",
    arguments=(Argument("name", VariableName()), Argument("key", KeyPath(), shown="<[key]…>")),
    value=Argument("value", JsonPairs(), shown="<value> [and <[key]…> = <value> …]"),
)(_handler)
commands.command(
    "create policy",
    summary="make a policy",
    arguments=(Argument("type", Name()),),
    where=Where.REQUIRED,
    any_option=Option("key", JsonValue()),
)(_handler)

REGISTRY = CommandRegistry([commands])
NETWORK = CommandRegistry([commands], network=network_commands)
"""The same, and what else nodes of the network know, by name."""
