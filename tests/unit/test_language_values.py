"""Types of options and arguments: what they take, what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from edgelake.errors import (
    BadDestination,
    BadJson,
    CommandSyntaxError,
    DuplicateOption,
    UndefinedVariable,
    WrongValue,
)
from edgelake.language import (
    Address,
    AddressType,
    Boolean,
    CommandStatement,
    Destination,
    Duration,
    HostedTable,
    Integer,
    Item,
    Json,
    JsonText,
    Name,
    OneOf,
    PathType,
    PolicyQuery,
    PolicyTypes,
    Port,
    Reference,
    Size,
    Text,
    ValueType,
    VariableName,
    Variables,
    Words,
    WrittenJson,
    parse,
)
from tests.language.sample import REGISTRY

VARIABLES = Variables(
    {
        "a": "5",
        "t": "North Pier",
        "ip": "198.51.100.7",
        "port": "32048",
        "list": "198.51.100.7:1, 198.51.100.8:2",
        "json": WrittenJson('{"device":{"ip":!ip,"port":!port}}'),
        "loop": '{"x":!loop}',
    },
    {"HOME": "/home/el"},
)


def words(text: str) -> tuple[Item, ...]:
    """Return the words of a text as a command has them."""
    (statement,) = parse(f"process {text}", REGISTRY)
    assert isinstance(statement, CommandStatement)
    return statement.words[1:]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Text(), "a b", "a b"),
        (Text(empty=True), "", ""),
        (PathType(), "/a b/c.al", "/a b/c.al"),
        (Name(), "fen-01.x_é", "fen-01.x_é"),
        (Integer(), "0", 0),
        (Integer(-5, 5), "-5", -5),
        (Integer(1, 64), "64", 64),
        (Integer(None), "-7", -7),
        (Integer(), "9" * 18, 10**18 - 1),
        (Port(), "1", 1),
        (Port(), "65535", 65_535),
        (Port(zero=True), "0", 0),
        (Boolean(), "TRUE", True),
        (Boolean(), "false", False),
        (OneOf("file", "dbms"), "dbms", "dbms"),
        (Duration(), "30 seconds", 30.0),
        (Duration(), "1 second", 1.0),
        (Duration(), "1.5 minutes", 90.0),
        (Duration(), "2 hours", 7200.0),
        (Duration(), "1 day", 86_400.0),
        (Duration(), "2 weeks", 1_209_600.0),
        (Duration(zero=True), "0 seconds", 0.0),
        (Size(), "5000", 5000),
        (Size(), "10KB", 10_240),
        (Size(), "2mb", 2_097_152),
        (Size(), "10 MB", 10_485_760),
        (Size(), "1TB", 1 << 40),
        (AddressType(), "198.51.100.7:32048", Address("198.51.100.7", 32_048)),
        (AddressType(), "master.example:1", Address("master.example", 1)),
        (AddressType(), "[2001:db8::1]:80", Address("[2001:db8::1]", 80)),
        (PolicyTypes(), "*", ("*",)),
        (PolicyTypes(), "device", ("device",)),
        (Words(), "a b", "a b"),
    ],
)
def test_accepted(kind: ValueType, text: str, value: Any) -> None:
    found = kind.parse(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Text(), ""),
        (PathType(), ""),
        (PathType(), "a\0b"),
        (Name(), "a b"),
        (Name(), ""),
        (Name(), "a/b"),
        (Integer(), "-1"),
        (Integer(), "+1"),
        (Integer(), "1.0"),
        (Integer(), "٣"),
        (Integer(), "1_000"),
        (Integer(), "9" * 19),
        (Integer(1, 64), "65"),
        (Integer(None, 5), "6"),
        (Port(), "0"),
        (Port(), "65536"),
        (Port(), ""),
        (Boolean(), "yes"),
        (Boolean(), "1"),
        (OneOf("file"), "File"),
        (Duration(), "30"),
        (Duration(), "30seconds"),
        (Duration(), "five seconds"),
        (Duration(), "-5 seconds"),
        (Duration(), "5 Seconds"),
        (Duration(), "5 secs"),
        (Duration(), "1 month"),
        (Duration(), "0 seconds"),
        (Duration(), "0.0 days"),
        (Duration(), f"{'9' * 400} days"),
        (Size(), "10XB"),
        (Size(), "-5"),
        (Size(), "1.5MB"),
        (Size(), ""),
        (AddressType(), "198.51.100.7"),
        (AddressType(), "198.51.100.7:0"),
        (AddressType(), ":32048"),
        (AddressType(), "a b:1"),
        (AddressType(), "host:port"),
        (AddressType(), "2001:db8::1:80"),
        (PolicyTypes(), "a b"),
    ],
)
def test_refused(kind: ValueType, text: str) -> None:
    with pytest.raises(WrongValue) as caught:
        kind.parse(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (PathType(), "!t/x", "North Pier/x"),
        (PathType(), "!a + .al", "5.al"),
        (Text(), "$HOME/data", "/home/el/data"),
        (Integer(), "!a", 5),
        (AddressType(), "!ip:!port", Address("198.51.100.7", 32_048)),
        (PolicyTypes(), "(device, operator, device)", ("device", "operator")),
        (Reference(), "!a", "5"),
        (Reference(), "!t.len", "10"),
        (Reference(), '"!a"', "5"),
        (VariableName(), "x", "x"),
        (VariableName(), "!x", "x"),
        (VariableName(), "$X", "$X"),
        (Words(), 'a  !nosuch "b c"', "a  b c"),
        (Json(), '{"a":!a,"t":!t,"s":"!a"}', '{"a":5,"t":"North Pier","s":"5"}'),
        (Json(), "!json", '{"device":{"ip":"198.51.100.7","port":32048}}'),
        (Json(any_value=True), "[1,!a]", "[1,5]"),
    ],
)
def test_words_of_a_value(kind: ValueType, text: str, value: Any) -> None:
    assert kind.take(words(text), VARIABLES) == value


@pytest.mark.parametrize(
    ("kind", "text", "error"),
    [
        (Text(), "!nosuch", UndefinedVariable),
        (Json(), '{"a":!nosuch}', UndefinedVariable),
        (Json(), "!nosuch", UndefinedVariable),
        (Json(), "!loop", BadJson),
        (Json(), "silo", BadJson),
        (Json(), "[1]", BadJson),
        (Json(), '{"a":1,}', BadJson),
        (Json(), '{"a":Infinity}', BadJson),
        (Json(), f'{{"a":{"9" * 5000}}}', BadJson),
        (Reference(), "a", WrongValue),
        (PolicyTypes(), "()", WrongValue),
        (PolicyTypes(), "(a = b)", WrongValue),
        (VariableName(), "!x.int", UndefinedVariable),
    ],
)
def test_words_refused(kind: ValueType, text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        kind.take(words(text), VARIABLES)


def test_json_keeps_text_and_data() -> None:
    found = Json().take(words('{"b":1,  "a":[true,null]}'), VARIABLES)
    assert isinstance(found, JsonText)
    assert found == '{"b":1,  "a":[true,null]}'
    assert found.data == {"b": 1, "a": [True, None]}


def test_json_of_a_peer_stays_as_it_came() -> None:
    text = '{"a":"!a","b":"$HOME"}'
    assert Json().take(words(text), VARIABLES.for_peers()) == text


@pytest.mark.parametrize(
    ("text", "addresses", "options"),
    [
        ("198.51.100.7:1", ["198.51.100.7:1"], {}),
        ("198.51.100.7 1", ["198.51.100.7:1"], {}),
        ("!ip !port", ["198.51.100.7:32048"], {}),
        ("(!ip:!port)", ["198.51.100.7:32048"], {}),
        ("!list", ["198.51.100.7:1", "198.51.100.8:2"], {}),
        ("(!list, a.b:3)", ["198.51.100.7:1", "198.51.100.8:2", "a.b:3"], {}),
        ("(a:1, subset = true, timeout = !a)", ["a:1"], {"subset": "true", "timeout": "5"}),
        ("()", [], {}),
    ],
)
def test_destinations(text: str, addresses: list[str], options: dict[str, str]) -> None:
    found = Destination().take(words(text), VARIABLES)
    assert list(found.addresses) == addresses
    assert found.options == options


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("get", BadDestination),
        ("(198.51.100.7)", BadDestination),
        ("(a:1 b:2)", BadDestination),
        ("(device where name = x)", BadDestination),
        ("(blockchain get where name = x)", BadDestination),
        ("(blockchain get a b where name = x)", BadDestination),
        ("(blockchain get operator bring.nosuch)", CommandSyntaxError),
        ("(operator where name = x bring.ip_port [a])", CommandSyntaxError),
        ("(dbms = a)", BadDestination),
        ("(dbms = a and dbms = b)", BadDestination),
        ("(dbms = a and name = b)", BadDestination),
        ("(dbms = a and table == b)", BadDestination),
        ("(a == b)", BadDestination),
        ("(colour = red)", BadDestination),
        ("(a:1, timeout = 1, timeout = 2)", DuplicateOption),
        ("!nosuch", UndefinedVariable),
    ],
)
def test_wrong_destinations(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Destination().take(words(text), VARIABLES)


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("(operator where name = x)", ("operator",)),
        ("(operator)", ("operator",)),
        ("(query, subset = true)", ("query",)),
        ("(blockchain get operator where name = x and ip = y bring.ip_port)", ("operator",)),
        ("(blockchain get (operator, query) bring.ip_port)", ("operator", "query")),
        ("(blockchain get * where name = x)", ("*",)),
    ],
)
def test_destinations_by_policy(text: str, types: tuple[str, ...]) -> None:
    found = Destination().take(words(text), VARIABLES)
    (query,) = found.queries
    assert isinstance(query, PolicyQuery)
    assert query.types == types
    assert (query.condition is not None) == ("where" in text)
    assert found.addresses == ()


def test_destinations_by_table_and_mixed() -> None:
    found = Destination().take(
        words("(a:1, dbms = d and table = t, master, timeout = 2)"), VARIABLES
    )
    assert found.addresses == ("a:1",)
    assert found.queries == (HostedTable("d", "t"), PolicyQuery(("master",)))
    assert found.options == {"timeout": "2"}
    assert Destination().take(words("."), VARIABLES).here


def test_types_describe_themselves() -> None:
    assert Integer(1, 64).describe() == "whole number in 1..64"
    assert Integer(3).describe() == "whole number 3 or more"
    assert Integer(None, 3).describe() == "whole number 3 or less"
    assert OneOf("file", "dbms").describe() == "file or dbms"
    assert OneOf("file", "dbms").metavar == "<file|dbms>"
    assert OneOf("sqlite").describe() == "sqlite"
    assert Boolean().choices() == ("true", "false")
    assert Duration().choices() == ()
