"""Command texts between nodes (docs/protocol.md, "Command text")."""

from __future__ import annotations

import pytest

from edgelake.errors import CommandError, CommandSyntaxError, UndefinedVariable, UnknownCommand
from edgelake.language import CommandStatement, Variables, bind, from_wire, parse, parse_remote
from tests.language.sample import REGISTRY

VARIABLES = Variables({"x": "North  Pier", "n": "5", "lines": "a\nb\r\n", "obj": '{"a": "b\n"}'})


def sent(text: str) -> str:
    """Return what ``run client`` sends for a command."""
    (statement,) = parse(f"run client 198.51.100.7:1 {text}", REGISTRY)
    command = bind(statement, REGISTRY, VARIABLES).arguments["command"]
    assert isinstance(command, str)
    return command


@pytest.mark.parametrize(
    ("command", "wire"),
    [
        ("get   status", "get status"),
        ('echo "hello  from node b" again', "echo hello\t\tfrom\tnode\tb again"),
        ("get !!new_var", "get !new_var"),
        ("get !n", "get 5"),
        ("print !x", "print North\t\tPier"),
        ("print 'a b'", "print 'a\tb'"),
        ("print !lines", "print a\tb\t\t"),
        ('blockchain push {"a": {"b":  !n}}', 'blockchain push {"a": {"b":  5}}'),
        ("blockchain push !obj", 'blockchain push {"a": "b "}'),
        ("get status where format=json", "get status where format = json"),
        ("blockchain get (device, operator)", "blockchain get (device,\toperator)"),
        ('file get !!path "/a b/c"', "file get !path /a\tb/c"),
        ("set flag = on # note", "set flag = on"),
    ],
)
def test_sent(command: str, wire: str) -> None:
    assert sent(command) == wire


def test_undefined_reference_is_not_sent() -> None:
    with pytest.raises(UndefinedVariable):
        sent("print !nosuch")


@pytest.mark.parametrize(
    ("wire", "command"),
    [
        ("get status", "get status"),
        ("get  status ", "get status"),
        ("echo hello\t\tfrom\tnode\tb again", 'echo "hello  from node b" again'),
        ("event get_blockchain /a\tb/c.new 0 0", 'event get_blockchain "/a b/c.new" 0 0'),
        ("blockchain\tget\tdevice", "blockchain get device"),
        ("set\tx =\ta", "set x = a"),
        ('blockchain push {"a":  "b\tc & # }"}', 'blockchain push {"a":  "b\tc & # }"}'),
        ("print a&b # c", 'print "a&b" "#" c'),
        ("blockchain get device bring [*][name] x", "blockchain get device bring [*][name] x"),
        ('from {} bring ["a b"][c]:[d][0]', 'from {} bring ["a b"][c]:[d][0]'),
        ("from {} bring [a][b", "from {} bring [a] [b"),
        ("print a=b = c", 'print "a=b" = c'),
        ("get status where format=json", "get status where format=json"),
        ('print "a b" c', 'print "a b" c'),
        ("print 'a\tb'", "print 'a b'"),
        ("blockchain get (device,\toperator)", "blockchain get (device, operator)"),
        ("", ""),
    ],
)
def test_received(wire: str, command: str) -> None:
    assert from_wire(wire) == command


def test_a_word_that_no_quotes_can_hold_is_refused() -> None:
    with pytest.raises(CommandSyntaxError):
        from_wire('get say\t"hi"&')


@pytest.mark.parametrize(
    "wire",
    [
        "x = 5",
        "x\t=\t5",
        "!x",
        "!x + !y",
        "",
        "# note",
        "nosuch",
        "(a) & (b)",
        "'a' & exit",
        "x[k] = 5",
        "$HOME = 5",
    ],
)
def test_peers_send_commands_only(wire: str) -> None:
    with pytest.raises(CommandError):
        parse_remote(from_wire(wire), REGISTRY)


@pytest.mark.parametrize("text", ["get status & exit tcp", "x = 5", "!x", ""])
def test_exactly_one_command(text: str) -> None:
    with pytest.raises(UnknownCommand):
        parse_remote(text, REGISTRY)


@pytest.mark.parametrize(
    "word", ["a & b", "#x", "a # b", "<b>", "a = b and c", "(", "where", "a\tb", "x  y", "it's"]
)
def test_a_word_stays_one_word_on_its_way(word: str) -> None:
    variables = Variables({"w": word})
    (statement,) = parse("run client 198.51.100.7:1 event get_blockchain !w 0 2", REGISTRY)
    wire = bind(statement, REGISTRY, variables).arguments["command"]
    received = parse_remote(from_wire(wire), REGISTRY)
    assert isinstance(received, CommandStatement)
    call = bind(received, REGISTRY, Variables({}))
    expected = word.replace("\t", " ")
    assert call.arguments == {"file": expected, "hash": "0", "trace": "2"}
