"""JSON at hand: show it, take values out of it, build policies key by key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from edgelake.commands.bringing import brought
from edgelake.commands.context import Context
from edgelake.commands.rendering import json_text
from edgelake.errors import BadArgument, CommandError, EdgeLakeError, WrongValue
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    Argument,
    Brings,
    Call,
    CommandSet,
    Item,
    Json,
    JsonPairs,
    JsonText,
    JsonValue,
    KeyPath,
    KeyValue,
    Name,
    Option,
    ValueType,
    VariableName,
    Variables,
    Where,
    expand_value,
    shortened,
)
from edgelake.ledger import assign_keys, key_of

__all__ = ["commands", "set_keys"]

commands = CommandSet(group="json data")

_TEST = "test"
_TRIES = 100
_NODE_TYPES = frozenset({"master", "operator", "query", "publisher"})


class _KeysOrTest(KeyPath):
    """``[key]…``, or the word ``test``."""

    metavar = "<[key]…|test>"

    def parse(self, text: str) -> tuple[str, ...]:
        """Return none, for the test."""
        if text != _TEST:
            raise WrongValue(
                f"'{shortened(text)}' is neither keys nor 'test'", hint="write [key]…, or test"
            )
        return ()

    def take(self, items: Sequence[Item], variables: Variables) -> tuple[str, ...]:
        """Return the keys; none for the test."""
        if not self.claims(items[0]):
            return ValueType.take(self, items, variables)  # type: ignore[no-any-return]
        return super().take(items, variables)

    def describe(self) -> str:
        """Return what is accepted."""
        return "test, or keys between brackets, for example [node][name]"

    def choices(self) -> tuple[str, ...]:
        """Return the word."""
        return (_TEST,)


@commands.command(
    "json",
    summary="show JSON with its references replaced, one of its values, or whether it is JSON",
    arguments=(
        Argument("value", Json(any_value=True), help="JSON, or !variable that holds it"),
        Argument(
            "what",
            _KeysOrTest(),
            required=False,
            help="the value under these keys alone; or test: true if it is JSON",
            shown="<[key]…> | test",
        ),
    ),
    permission=Permission.READ,
    details=(
        "Assigned to a variable, objects and lists are stored as JSON, a text as it is:\n"
        "doc = json {…}, port = json !doc [node][port]."
    ),
    examples=(
        'json {"pier": "North", "berths": 4}',
        'json {"pier": "North"} test',
        'json {"node": {"port": 32048}} [node][port]',
    ),
    related=("from", "set policy"),
)
def _json(context: Context, call: Call) -> Result:
    value: JsonText = call.arguments["value"]
    keys: tuple[str, ...] | None = call.arguments["what"]
    if keys is None:
        return _shown(value.data)
    if not keys:
        return Result(True, "true")
    try:
        return _shown(key_of(value.data, keys))
    except EdgeLakeError as exc:
        exc.column = call.column("what")
        raise


@commands.command(
    "from",
    summary="take values out of a JSON object or list",
    arguments=(Argument("value", Json(any_value=True), help="JSON, or !variable that holds it"),),
    bring=Brings.REQUIRED,
    permission=Permission.READ,
    details="A list is taken for several objects; anything else is one.",
    examples=(
        'from {"node": {"name": "fen-01", "port": 32048}} bring [node][name] : [node][port]',
        'from [{"name": "a", "kg": 5}, {"name": "b", "kg": 7}] bring.table [name] [kg]',
    ),
    related=("blockchain get", "json"),
)
def _from(context: Context, call: Call) -> Result:
    assert call.bring is not None
    data = call.arguments["value"].data
    objects = data if isinstance(data, list) else [data]
    return brought(context, objects, call.bring, policies=objects)


@commands.command(
    "set policy",
    summary="set keys of a policy that a variable holds",
    arguments=(
        Argument("name", VariableName(), help="the variable"),
        Argument("key", KeyPath(), help="where the first value goes", shown="<[key]…>"),
    ),
    value=Argument(
        "value",
        JsonPairs(),
        help="the value, and more keys with theirs",
        shown="<value> [and <[key]…> = <value> …]",
    ),
    permission=Permission.ADMIN,
    details=(
        "All keys are set, or none. The key above a new one must be there, so a policy begins\n"
        "with [type] = {}. Values are texts unless .int, .float or .bool says otherwise, or\n"
        "they are JSON."
    ),
    examples=(
        "set policy node [operator] = {} and [operator][name] = fen-01"
        " and [operator][port] = 32148.int",
        'set policy node [operator] = {"name": "fen-01", "main": true}',
    ),
    related=("create policy", "json", "blockchain insert"),
)
def _set_policy(context: Context, call: Call) -> Result:
    first, *more = call.value
    pairs = [KeyValue(call.arguments["key"], first.value), *more]
    try:
        set_keys(context.variables, call.arguments["name"], pairs)
    except EdgeLakeError as exc:
        if exc.column is None:
            exc.column = call.column("key")
        raise
    return Result()


def set_keys(variables: Variables, name: str, pairs: Iterable[KeyValue]) -> None:
    """Set keys of the JSON object that a variable holds: all of them, or none.

    References in an object that was written here get the values they have now. A variable
    without a value begins as an empty object.

    Parameters
    ----------
    variables : Variables
    name : str
        A variable of the node.
    pairs : iterable of KeyValue

    Raises
    ------
    BadArgument
        The name is one of the environment.
    BadJson, KeyMissing, WrongValue, PolicyInvalid
        See `edgelake.ledger.assign_key`.
    UndefinedVariable
        A reference in the object has no value.

    Notes
    -----
    Thread-safe: keys that other threads set at the same time stay.
    """
    if name.startswith("$"):
        raise BadArgument(f"'{name}' takes no keys", hint="write the name of a variable")
    wanted = [(pair.keys, pair.value) for pair in pairs]
    for _ in range(_TRIES):
        before = variables.get(name)
        known = expand_value(before, variables, strict=True) if before else None
        if variables.replace(name, before, assign_keys(known, wanted)):
            return
    raise CommandError(f"'{name}' is changed by others all the time", hint="try again")


class _WithDefaults(ValueType):
    """The words ``with defaults``."""

    metavar = "with defaults"
    greedy = True

    def parse(self, text: str) -> bool:
        """Return true."""
        if text != self.metavar:
            raise WrongValue(
                f"'{shortened(text)}' between type and attributes",
                hint="write 'with defaults', or where key = value",
            )
        return True

    def describe(self) -> str:
        """Return what is accepted."""
        return self.metavar


@commands.command(
    "create policy",
    summary="make a policy of a type and its attributes",
    arguments=(
        Argument("type", Name(), help="type of the policy"),
        Argument(
            "defaults",
            _WithDefaults(),
            required=False,
            help="add what is known about this node, in policies of nodes",
            shown="with defaults",
        ),
    ),
    where=Where.REQUIRED,
    any_option=Option("key", JsonValue(), help="an attribute and its value"),
    permission=Permission.READ,
    details=(
        "The policy is shown, or stored if the command is assigned to a variable; 'blockchain\n"
        "insert' adds it to the ledger. Values are texts unless .int, .float or .bool says\n"
        "otherwise, or they are JSON. With defaults, a master, operator, query or publisher\n"
        "gets name, ip, local_ip, port and rest_port of this node where they are not given."
    ),
    examples=(
        "create policy sensor where name = silo7 and unit = kPa and depth = 12.int",
        "own = create policy operator with defaults where company = acme",
    ),
    related=("set policy", "json", "blockchain insert"),
)
def _create(context: Context, call: Call) -> Result:
    name: str = call.arguments["type"]
    body: dict[str, Any] = dict(call.options)
    if call.arguments["defaults"] and name in _NODE_TYPES:
        for key, value in _defaults(context).items():
            body.setdefault(key, value)
    # The rules of a policy's text hold for it: size, nesting, numbers.
    return _shown(json.loads(assign_keys(None, [((name,), body)])))


def _defaults(context: Context) -> dict[str, Any]:
    """Return what this node knows of itself, under the names that policies of nodes have."""
    known = context.node.variables.get
    found: dict[str, Any] = {"name": context.node.name}
    ip, local_ip = known("external_ip"), known("ip")
    listening = context.node.address()
    found["ip"] = ip or (listening.host if listening else None) or local_ip
    found["local_ip"] = local_ip
    for key, variable in (("port", "anylog_server_port"), ("rest_port", "anylog_rest_port")):
        text = known(variable) or ""
        found[key] = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None
    return {key: value for key, value in found.items() if value is not None}


def _shown(data: Any) -> Result:
    """Return JSON data as an answer; a text is shown as it is."""
    if isinstance(data, dict | list):
        return Result(data, json_text(data), json=True)
    return Result(data, data if isinstance(data, str) else json.dumps(data))
