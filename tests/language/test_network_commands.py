"""Commands that other nodes of the network have: declared here, or refused by name."""

from __future__ import annotations

import pytest

from edgelake.commands import build_registry, network_commands
from edgelake.errors import (
    CommandError,
    CommandNotAvailable,
    CommandSyntaxError,
    EdgeLakeError,
    UnbalancedInput,
    UnknownCommand,
)
from edgelake.language import (
    Assignment,
    CommandRegistry,
    CommandStatement,
    Variables,
    bind,
    bind_and_learn,
    format_error,
    parse,
    parse_remote,
)
from tests.language.sample import commands

NETWORK = build_registry()
SMALL = CommandRegistry(
    [commands],
    network=lambda: [
        *("run client", "run operator", "every", "sql", "set streaming condition", "json"),
        *("set debug", "get error log", "blockchain seed from", "file copy", "stream"),
    ],
)


def outcome(text: str, registry: CommandRegistry) -> EdgeLakeError | None:
    """Return the error of a text, ``None`` if all its commands have one meaning."""
    try:
        for statement in parse(text, registry):
            command = statement.command if isinstance(statement, Assignment) else statement
            if isinstance(command, CommandStatement):
                bind(command, registry, Variables({"a": "5"}, {}))
    except EdgeLakeError as error:
        return error
    return None


@pytest.mark.parametrize("name", network_commands())
def test_every_command_of_the_network_is_declared_or_refused_by_name(name: str) -> None:
    error = outcome(name, NETWORK)
    if NETWORK.get(name) is not None:
        assert not isinstance(error, CommandNotAvailable)
    elif NETWORK.is_family(name.split()):
        # 'blockchain commit' is the beginning of 'blockchain commit to'.
        assert isinstance(error, UnknownCommand)
        assert not isinstance(error, CommandNotAvailable)
        assert str(error) == f"'{name}' is only the beginning of a command"
    else:
        assert isinstance(error, CommandNotAvailable)
        shown = format_error(error, name)
        assert shown.startswith(f"error 282: '{name}' is not available in this version: at column")


def test_names_stand_once_and_are_names() -> None:
    names = network_commands()
    assert len(names) > 300
    assert len(set(names)) == len(names)
    assert all(name == " ".join(name.split()).lower() for name in names)


@pytest.mark.parametrize(
    ("text", "name", "column"),
    [
        ("run operator where policy = !a", "run operator", 1),
        ("every time = 1 minute and name = poll task get status", "every", 1),
        ('sql orchard format = table "select * from t"', "sql", 1),
        (
            "set streaming condition where dbms = d if [level] > 90 then print high",
            "set streaming condition",
            1,
        ),
        ("print one & sql orchard where = = x", "sql", 13),
        ("doc = json {}", "json", 7),
        ("[file = x, show = true] = sql orchard", "sql", 27),
        ("x = every time = 5 = 6 task y", "every", 5),
        ("set debug on", "set debug", 1),
        ("get error log where format = json", "get error log", 1),
        ("blockchain seed from 10.0.0.1:1", "blockchain seed from", 1),
        ("file copy a b", "file copy", 1),
    ],
)
def test_is_refused_by_name(text: str, name: str, column: int) -> None:
    error = outcome(text, SMALL)
    assert isinstance(error, CommandNotAvailable)
    assert str(error) == f"'{name}' is not available in this version"
    assert error.column == column


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("run oprator", UnknownCommand),
        ("get stat", UnknownCommand),
        ("file shred x", UnknownCommand),
        ("Every time = 1 minute task get status", UnknownCommand),
        ("every time = 1 minute task print (a", UnbalancedInput),
        ('sql orchard "select', UnbalancedInput),
        ("get status where and and", CommandSyntaxError),
        ('get status where include = "sql x" and and', CommandSyntaxError),
    ],
)
def test_other_faults_keep_their_error(text: str, kind: type[CommandError]) -> None:
    error = outcome(text, SMALL)
    assert isinstance(error, kind)
    assert not isinstance(error, CommandNotAvailable)


@pytest.mark.parametrize("text", ['x = "sql"', "x = sqlite", "x = 'sql'", "set x = sql", "x = !a"])
def test_texts_are_stored(text: str) -> None:
    assert outcome(text, SMALL) is None


def test_how_a_text_is_stored_is_said() -> None:
    error = outcome("kind = stream data", SMALL)
    assert 'write set name = "…" to store such a text' in format_error(error or Exception())


def test_a_declared_command_is_not_refused_and_remembered_shapes_neither() -> None:
    variables = Variables({}, {})
    for _ in range(2):
        (statement,) = parse("run client 10.0.0.1:1 get status", SMALL)
        assert bind_and_learn(statement, SMALL, variables).command.name == "run client"


@pytest.mark.parametrize("text", ["run operator", "set streaming condition if [a] > 5 then x"])
def test_a_peer_is_told_that_it_is_unknown(text: str) -> None:
    with pytest.raises(UnknownCommand):
        bind(parse_remote(text, SMALL), SMALL, Variables().for_peers())
