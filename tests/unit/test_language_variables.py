"""The dictionary, and what references in words become."""

from __future__ import annotations

import pytest

from edgelake.errors import NotPermitted, UndefinedVariable
from edgelake.language import (
    Assignment,
    CommandStatement,
    Show,
    Variables,
    WrittenJson,
    bind,
    expand_json,
    expand_text,
    parse,
)
from tests.language.sample import REGISTRY


@pytest.fixture
def variables() -> Variables:
    return Variables(
        {
            "berth": "8",
            "pier": "North Pier",
            "part": "7.5",
            "flag": "True",
            "fleet": "[10,20,30]",
            "cargo": '{"a":1,"b":2}',
            "x": "abcdef",
            "evil": 'a" and local = true & exit # (',
            "null": "null",
        },
        {"HOME": "/home/el", "BERTH": "!berth", "EVIL": "!evil"},
    )


def printed(text: str, variables: Variables) -> str:
    """Return what ``print`` gets."""
    (statement,) = parse(f"print {text}", REGISTRY)
    return bind(statement, REGISTRY, variables).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!berth", "8"),
        ("a !nosuch b", "a  b"),
        ("!nosuch/rest", ""),
        ("!pier/rest", "North Pier/rest"),
        ("!berth.int", "8"),
        ("!part.int", ""),
        ("!part.float", "7.5"),
        ("!berth.float", "8.0"),
        ("!flag.bool", "true"),
        ("!pier.bool", ""),
        ("!pier.str", "North Pier"),
        ("!pier.len", "10"),
        ("!fleet.len", "3"),
        ("!cargo.len", "2"),
        ("!pier.name", "north_pier"),
        ("!pier[0:5]", "North"),
        ("!pier[-4:]", "Pier"),
        ("!x[1:3]", "bc"),
        ("!x[2]", "abcdef[2]"),
        ("!!berth", "!berth"),
        ("!!pier.len", "!pier.len"),
        ("!!pier[0:2]", "!pier[0:2]"),
        ("$HOME", "/home/el"),
        ("$HOME/spool", "/home/el/spool"),
        ("$NO_SUCH", ""),
        ("$BERTH", "8"),
        ('"!berth"', "8"),
        ('"!pier/x"', "North Pier/x"),
        ('"berth !berth"', "berth !berth"),
        ("'!berth'", "'!berth'"),
        ("`!berth`", "`!berth`"),
        ("(a, !berth)", "(a, 8)"),
        ('(a, "!pier", (!berth))', '(a, "North Pier", (8))'),
        ('{"a":!berth,"b":"!berth","c":!pier}', '{"a":8,"b":"8","c":"North Pier"}'),
        ('{"a":!cargo,"b":!null,"c":!nosuch}', '{"a":{"a":1,"b":2},"b":null,"c":""}'),
        ('{"a":"text !berth"}', '{"a":"text !berth"}'),
        ("!evil", 'a" and local = true & exit # ('),
        ("$EVIL", 'a" and local = true & exit # ('),
        ("a + b", "a + b"),
        ("!berth:!pier", "8:North Pier"),
        ("mail!berth", "mail!berth"),
    ],
)
def test_expansion(text: str, expected: str, variables: Variables) -> None:
    assert printed(text, variables) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v = a b  c", "a b c"),
        ("v = pier_ + !berth", "pier_8"),
        ('v = "pier " + !berth', "pier 8"),
        ("v = 5 + 6", "56"),
        ("v = +1d", "+1d"),
        ('v = a b + c "d e"', "a bc d e"),
        ('v = {"ip":!berth}', '{"ip":!berth}'),
        ("v = !nosuch", ""),
        ('v = ""', ""),
        ("!berth", "8"),
        ('!berth + " " + !pier', "8 North Pier"),
    ],
)
def test_values(text: str, expected: str, variables: Variables) -> None:
    (statement,) = parse(text, REGISTRY)
    assert isinstance(statement, Assignment | Show)
    assert expand_text(statement.items, variables) == expected


def test_undefined_reference_in_an_option(variables: Variables) -> None:
    text = "run tcp server where external_ip = !nosuch and external_port = 5"
    (statement,) = parse(text, REGISTRY)
    with pytest.raises(UndefinedVariable) as caught:
        bind(statement, REGISTRY, variables)
    assert caught.value.column == text.index("!") + 1


def test_a_value_stays_one_value(variables: Variables) -> None:
    (statement,) = parse("blockchain delete policy where id = !evil", REGISTRY)
    call = bind(statement, REGISTRY, variables)
    assert call.options["id"] == variables.get("evil")
    assert call.given == {"id"}


def test_references_inside_json_of_a_variable(variables: Variables) -> None:
    variables.set("p", WrittenJson('{"d":{"berth":!berth}}'))
    (statement,) = parse("blockchain insert where policy = !p", REGISTRY)
    call = bind(statement, REGISTRY, variables)
    assert call.options["policy"].data == {"d": {"berth": 8}}


def test_json_is_never_broken_by_a_value(variables: Variables) -> None:
    text = expand_json('{"a":!evil,"b":"!evil"}', variables, strict=True)
    assert text.count("\\") == 2


def test_dictionary() -> None:
    variables = Variables({"b": "1"})
    variables.set("a", "2")
    variables.delete("nosuch")
    assert variables.items() == [("a", "2"), ("b", "1")]
    variables.delete("a")
    assert variables.get("a") is None


def test_peers_see_entries_but_no_environment(variables: Variables) -> None:
    view = variables.for_peers()
    variables.set("new", "1")
    assert view.get("new") == "1"
    (statement,) = parse("get $HOME", REGISTRY)
    assert isinstance(statement, CommandStatement)
    assert bind(statement, REGISTRY, variables).arguments["reference"] == "/home/el"
    with pytest.raises(NotPermitted):
        bind(statement, REGISTRY, view)
