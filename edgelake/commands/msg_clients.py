"""Clients of messages: ``run msg client``, and what they tell about themselves."""

from __future__ import annotations

import re
from typing import Any

from edgelake import limits
from edgelake.commands.context import Context, NodeParts
from edgelake.commands.rendering import FORMAT, answer
from edgelake.data import COLUMN_TYPES, column_type
from edgelake.errors import (
    BadArgument,
    EdgeLakeError,
    MissingOption,
    OptionNotAvailable,
    PolicyMissing,
    WrongValue,
)
from edgelake.interfaces import Page, Permission, Result, Section, Table
from edgelake.language import (
    Argument,
    Boolean,
    Call,
    CommandSet,
    Dotted,
    DottedValue,
    GroupValue,
    Integer,
    OneOf,
    Option,
    OptionGroup,
    Text,
    ValueType,
    Where,
)
from edgelake.services.messages import Column, MessageMap, Source, map_of_policy, source_of
from edgelake.services.msg_clients import MsgClient, Topic

__all__ = ["commands"]

commands = CommandSet(group="data", topics=("messages", "streaming"))

_REST = "rest"
_APART = re.compile(r"(?<=/) (?=\+)|(?<=\+) (?=/)")


class _Broker(OneOf):
    """Where messages come from."""

    def parse(self, text: str) -> str:
        """Return the word."""
        if text not in self.choices():
            raise OptionNotAvailable(
                f"messages of the broker '{text[:80]}' are not available in this version",
                hint="write broker = rest",
            )
        return text


class _Type(ValueType):
    """A type of columns."""

    metavar = "<type>"

    def parse(self, text: str) -> str:
        """Return its name."""
        return column_type(text).name

    def describe(self) -> str:
        """Return what is accepted."""
        return ", ".join(COLUMN_TYPES)

    def choices(self) -> tuple[str, ...]:
        """Return the names."""
        return COLUMN_TYPES


class _TopicName(Text):
    """Name of a topic; a part of it may be ``+``."""

    takes_plus = True

    def parse(self, text: str) -> str:
        """Return the name."""
        # A plus is a word of its own, which is joined to its neighbours by a blank.
        return super().parse(_APART.sub("", text))


class _Number(ValueType):
    """The number of a client, or ``all``."""

    metavar = "<number|all>"

    def parse(self, text: str) -> int | None:
        """Return the number, ``None`` for all."""
        if text == "pool":
            raise OptionNotAvailable(
                "'pool' is not available in this version", hint="messages need no pool here"
            )
        return None if text == "all" else Integer(1).parse(text)

    def describe(self) -> str:
        """Return what is accepted."""
        return "number of a client, or all"

    def choices(self) -> tuple[str, ...]:
        """Return the word."""
        return ("all",)


class _TopicGroup(OptionGroup):
    """A kind of messages."""

    elsewhere = ("dynamic", "persist", "flush")


_VALUE_HELP = '"bring [path]", now, or a value that is always the same'
_COLUMN = OptionGroup(
    "column",
    (
        Option("type", _Type(), required=True, help="type of the column"),
        Option("value", Text(), required=True, help=_VALUE_HELP),
        Option("optional", Boolean(), default=False, help="rows are taken without it"),
    ),
)
_TOPIC = _TopicGroup(
    "topic",
    (
        Option("name", _TopicName(), required=True, help="name of the topic; may hold + and #"),
        Option("qos", Integer(0, 2), default=0, help="accepted; has no meaning for REST"),
        Option("dbms", Text(), help='database of the rows, or "bring …"'),
        Option("table", Text(), help='table of the rows, or "bring …"'),
        Option("policy", Text(), help="id of a mapping policy, in the place of columns"),
    ),
    (
        Dotted(
            "column",
            {1: _COLUMN, 2: Text()},
            ("name", "type"),
            last=_Type(),
            help=_VALUE_HELP,
        ),
    ),
)


@commands.command(
    "run msg client",
    summary="make rows of messages that are sent by POST",
    where=Where.REQUIRED,
    options=(
        Option("broker", _Broker(_REST), required=True, help="rest: messages come by POST"),
        Option("user-agent", Text(), help="header User-Agent of those messages; required"),
        Option("log", Boolean(), default=False, help="accepted; 'get msg clients' tells all"),
        Option("topic", _TOPIC, required=True, repeatable=True, help="which, and their columns"),
    ),
    elsewhere=(
        *("port", "user", "password", "client_id", "project_id", "location", "private_key"),
        *("only_log", "log_error", "prep_dir", "watch_dir", "err_dir", "blobs_dir", "bwatch_dir"),
        *("master_node", "blockchain"),
    ),
    permission=Permission.ADMIN,
    details=(
        "A message is a JSON object. It becomes a row: each column gets what 'bring' takes out\n"
        "of the message, or the time of arrival (now). A column that is missing and not\n"
        "optional, or of another type, refuses all messages of the call. See docs/data.md."
    ),
    examples=(
        "run msg client where broker = rest and user-agent = anylog and topic ="
        ' (name = mill and dbms = plant1 and table = "bring [machine]"'
        ' and column.ts.timestamp = "bring [ts]" and column.value.float = "bring [value]")',
        "run msg client where broker = rest and user-agent = mill and topic ="
        " (name = t1 and dbms = plant1 and table = gate and column.ts.timestamp = now and"
        ' column.level = (type = float and value = "bring [level]" and optional = true))',
    ),
    related=("get msg clients", "exit msg client", "get streaming"),
)
def _run_msg_client(context: Context, call: Call) -> Result:
    agent = call.options["user-agent"]
    if agent is None:
        raise MissingOption(
            "option 'user-agent' is required", hint="add: user-agent = <User-Agent of the calls>"
        )
    groups: tuple[GroupValue, ...] = call.options["topic"]
    if len(groups) > limits.MAX_MSG_TOPICS:
        raise BadArgument(f"a client has at most {limits.MAX_MSG_TOPICS} topics")
    topics = [_topic(context.node, group) for group in groups]
    names = [topic.name for topic in topics]
    if len(set(names)) != len(names):
        raise BadArgument("two topics have the same name", hint="name each topic once")
    client = context.node.msg_clients.add(agent, topics)
    return Result({"id": client.number}, f"client of messages {client.number}")


def _clients(context: Context, call: Call) -> Result:
    clients = context.node.msg_clients.all()
    if call.options["id"] is not None:
        clients = [client for client in clients if client.number == call.options["id"]]
    if call.options["topic"] is not None:
        wanted = call.options["topic"]
        clients = [c for c in clients if any(t.name == wanted for t in c.topics)]
    if call.options["broker"] not in (None, _REST):
        clients = []
    data = [{**client.data(), "columns": _columns(client)} for client in clients]
    if not clients:
        return answer(data, "No message client subscriptions", call.options)
    parts = 1 if call.options["statistics"] else 2
    sections = [section for client in clients for section in _sections(client)[:parts]]
    return answer(data, Page(tuple(sections)), call.options)


for _name in ("get msg clients", "get msg client"):
    commands.command(
        _name,
        summary="show the clients of messages, their columns, and how messages fared",
        where=Where.OPTIONAL,
        options=(
            FORMAT,
            Option("id", Integer(1), help="only the client of this number"),
            Option("topic", Text(), help="only clients with this topic"),
            Option("broker", Text(), help="only clients of this broker"),
            Option("detailed", Boolean(), default=False, help="accepted; all is shown anyway"),
            Option("statistics", Boolean(), default=False, help="without topics and columns"),
        ),
        permission=Permission.READ,
        examples=(_name, f"{_name} where format = json", f"{_name} where id = 1"),
        related=("run msg client", "exit msg client"),
    )(_clients)


@commands.command(
    "exit msg client",
    summary="end a client of messages",
    arguments=(Argument("number", _Number(), help="its number, or all"),),
    permission=Permission.ADMIN,
    examples=("exit msg client 1", "exit msg client all"),
    related=("run msg client", "get msg clients"),
)
def _exit_msg_client(context: Context, call: Call) -> Result:
    context.node.msg_clients.end(call.arguments["number"])
    return Result()


# ------------------------------------------------------------------- parts


def _topic(node: NodeParts, group: GroupValue) -> Topic:
    given = group.options
    name = given["name"]
    if given["policy"] is not None:
        if group.dotted or given["dbms"] is not None or given["table"] is not None:
            raise BadArgument(
                f"topic '{name}' has a policy, and columns or a table of its own",
                hint="leave one of them out",
            )
        return Topic(name, _of_policy(node, given["policy"]))
    for key in ("dbms", "table"):
        if given[key] is None:
            raise MissingOption(f"topic '{name}' lacks '{key}'", hint=f"add: {key} = …")
    if not group.dotted:
        raise MissingOption(
            f"topic '{name}' has no column", hint='add: column.value.float = "bring [value]"'
        )
    columns = tuple(_column(one) for one in group.dotted)
    if len({column.name for column in columns}) != len(columns):
        raise BadArgument(f"topic '{name}' has a column twice", hint="leave one of them out")
    return Topic(
        name, MessageMap(_source("dbms", given["dbms"]), _source("table", given["table"]), columns)
    )


def _of_policy(node: NodeParts, policy_id: str) -> MessageMap:
    policy = node.ledger.get(policy_id)
    if policy is None or policy.type != "mapping":
        raise PolicyMissing(
            f"there is no mapping policy '{policy_id[:80]}'", hint="look at: blockchain get mapping"
        )
    return map_of_policy(policy_id, policy.body)


def _column(given: DottedValue) -> Column:
    name = given.parts[0]
    if isinstance(given.value, GroupValue):
        kind, text = given.value.options["type"], given.value.options["value"]
        optional = given.value.options["optional"]
    else:
        kind, text, optional = given.parts[1], given.value, False
    return Column(name, column_type(kind), (_source(name, text),), text, optional=optional)


def _source(what: str, text: str) -> Source:
    try:
        return source_of(text)
    except EdgeLakeError as exc:
        raise WrongValue(f"{what}: {exc.message}", hint=exc.hint) from exc


def _columns(client: MsgClient) -> list[dict[str, Any]]:
    return [
        {
            "topic": topic.name,
            "column": column.name,
            "type": column.type.name,
            "value": column.shown,
            "optional": column.optional,
            "policy": topic.map.policy or None,
        }
        for topic in client.topics
        for column in topic.map.columns
    ]


def _sections(client: MsgClient) -> list[Section]:
    found = client.data()
    shown_of = {
        "User-Agent": "user_agent",
        "Messages": "messages",
        "Success": "success",
        "Errors": "errors",
        "Rows": "rows",
        "Last message time": "last_message",
        "Last error time": "last_error_time",
        "Last error": "last_error",
    }
    row = tuple(found[key] for key in shown_of.values())
    columns = _columns(client)
    shown = [tuple(column.values()) for column in columns]
    return [
        Section(
            f"Subscription ID: {client.number:04}",
            Table(tuple(shown_of), [row]),
        ),
        Section(
            "Subscribed topics:",
            Table(("Topic", "Column", "Type", "Value", "Optional", "Policy"), shown),
        ),
    ]
