"""Command texts between nodes (docs/protocol.md, "Command text")."""

from __future__ import annotations

import re
from itertools import product

import pytest

from edgelake.errors import CommandError, CommandSyntaxError, UndefinedVariable, UnknownCommand
from edgelake.language import (
    CommandStatement,
    Variables,
    bind,
    expand_text,
    from_wire,
    parse,
    parse_remote,
    wiretext,
)
from tests.language.sample import REGISTRY

VARIABLES = Variables(
    {
        "x": "North  Pier",
        "n": "5",
        "lines": "a\nb\r\n",
        "obj": '{"a": "b\n"}',
        "or": "a or b != c",
        "and": "and",
        "eq": "a=b",
        "path": "/a.al",
        "tail": '{"a": 1}\n',
        "json": '{"a": 1} where b = "c"',
    }
)


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
        ('set x = "b  c"', 'set x = "b  c"'),
        ('set x = ""', 'set x = ""'),
        ('set x = "b"', "set x = b"),
        ("set x = !x", 'set x = "North  Pier"'),
        ("blockchain get d where name = !or", 'blockchain get d where name = "a or b != c"'),
        ("blockchain get d where name = !and", 'blockchain get d where name = "and"'),
        ("connect dbms !eq where type = sqlite", 'connect dbms "a=b" where type = sqlite'),
        ("process !path", "process /a.al"),
        ("process !!path", "process !path"),
        ("blockchain push !tail", 'blockchain push {"a": 1} '),
        ('sql db "select 1"', "sql db select\t1"),
    ],
)
def test_sent(command: str, wire: str) -> None:
    assert sent(command) == wire


@pytest.mark.parametrize(
    "value", ["North  Pier", "a or b != c", "a & exit node", "(a", "# a", "{} and b = c", "where"]
)
@pytest.mark.parametrize("command", ["set y = !v", "blockchain get device where name = !v"])
def test_value_never_changes_the_shape_of_a_command_at_the_receiver(
    command: str, value: str
) -> None:
    variables = Variables({"v": value})
    (statement,) = parse(f"run client 198.51.100.7:1 {command}", REGISTRY)
    wire = bind(statement, REGISTRY, variables).arguments["command"]
    there = parse_remote(from_wire(wire), REGISTRY)
    (here,) = parse(command, REGISTRY)
    assert isinstance(here, CommandStatement)
    assert len(there.words) == len(here.words)
    found = there.tail if there.where is None else there.where.right
    assert expand_text(found, variables) == value


def test_value_that_no_quotes_can_hold_is_not_sent() -> None:
    with pytest.raises(CommandSyntaxError):
        sent("set y = !json")


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


# ------------------------------------------------- plain texts, looked at once

PIECES = ["a", "and", "or", "android", "where", "using", "bring", "bring.x", "bringing", "1.5:2"]
PIECES += ["/x/b_1.new", "-", "'", '"', "(", "a=b", "!x", "#", "ä", "x.", ""]


@pytest.mark.parametrize("family", ["event", "print", "echo", "file"])
@pytest.mark.parametrize("between", [" ", "  ", "\n"])
def test_a_plain_text_is_what_its_words_are(
    family: str, between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [
        between.join((family, *words, *end))
        for words in product(PIECES, repeat=2)
        for end in ((), ("last",))
    ]

    def received() -> list[str]:
        found = []
        for text in texts:
            try:
                found.append(from_wire(text))
            except CommandError as exc:
                found.append(repr(exc))
        return found

    at_once = received()
    monkeypatch.setattr(wiretext, "_PLAIN_TEXT", re.compile(r"(?!)"))
    assert at_once == received()
