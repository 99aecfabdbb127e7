"""Long and hostile texts: what is refused, where exactly, and how little work comes before."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest

from edgelake import limits
from edgelake.errors import CommandError, CommandSyntaxError, UnbalancedInput, UnknownCommand
from edgelake.language import (
    LogicalLines,
    Variables,
    bind,
    expand_json,
    from_wire,
    parse,
    parse_remote,
)
from edgelake.language import parser as parser_module
from edgelake.language.scan import json_end, parts
from tests.language.sample import REGISTRY

PEERS = Variables({}, {}).for_peers()
LONG = 1 << 20


def test_characters_of_a_peer_are_bounded() -> None:
    most = limits.MAX_REMOTE_COMMAND_CHARS
    text = "print " + "x" * (most - 6)
    assert bind(parse_remote(from_wire(text), REGISTRY), REGISTRY, PEERS).text == text[6:]
    with pytest.raises(CommandSyntaxError, match=f"{most + 1} characters exceeds {most}"):
        from_wire(text + "x")
    with pytest.raises(CommandSyntaxError, match=f"{most + 1} characters exceeds {most}"):
        parse_remote(text + "x", REGISTRY)
    assert parse(text + "x", REGISTRY)


def test_characters_of_a_person_are_bounded() -> None:
    most = limits.MAX_COMMAND_CHARS
    text = "print " + "x" * (most - 6)
    assert parse(text, REGISTRY)
    with pytest.raises(CommandSyntaxError, match="exceeds"):
        parse(text + "x", REGISTRY)


def test_words_of_a_peer_are_bounded() -> None:
    most = limits.MAX_REMOTE_COMMAND_TOKENS
    text = "print" + " a" * (most - 1)
    assert parse_remote(from_wire(text), REGISTRY)
    with pytest.raises(CommandSyntaxError, match=f"exceeds {most} words"):
        from_wire(text + " a")
    with pytest.raises(CommandSyntaxError, match=f"exceeds {most} words"):
        parse_remote(text + " a", REGISTRY)
    assert parse(text + " a", REGISTRY)


def test_signs_of_a_peer_count_as_words() -> None:
    with pytest.raises(CommandSyntaxError, match="exceeds"):
        parse_remote("print " + "+" * limits.MAX_REMOTE_COMMAND_TOKENS, REGISTRY)


@pytest.mark.parametrize("spaced", [False, True])
def test_a_peer_may_send_a_policy_of_any_size_and_shape(spaced: bool) -> None:
    body = {f"k{n}": {"v": [n, {"w": 'a "b" ] \\'}]} for n in range(20_000)}
    text = json.dumps({"device": body}, indent=1 if spaced else None)
    text += " " * max(0, limits.MAX_POLICY_BYTES - len(text))
    assert len(text) >= limits.MAX_POLICY_BYTES
    statement = parse_remote(from_wire(f"blockchain push {text}"), REGISTRY)
    call = bind(statement, REGISTRY, PEERS)
    assert call.arguments["policy"].data == {"device": body}


@pytest.mark.parametrize(
    "text", ["nosuch " + "a " * 10, 'nosuch "', "nosuch )", "x = (", '"get" status']
)
def test_unknown_first_words_are_refused_before_the_rest_is_read(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the rest was read")

    monkeypatch.setattr(parser_module, "_statements", never)
    with pytest.raises(UnknownCommand, match=re.escape(f"'{text.strip()}' is no command")):
        parse_remote(text, REGISTRY)


def test_references_in_a_word_are_bounded() -> None:
    most = limits.MAX_REFERENCES_IN_WORD
    text = "print " + ":".join(["!a"] * most)
    (statement,) = parse(text, REGISTRY)
    assert bind(statement, REGISTRY, Variables({"a": "5"}, {})).text == ":".join(["5"] * most)
    with pytest.raises(CommandSyntaxError, match=f"more than {most} references") as caught:
        parse(text + ":!a", REGISTRY)
    assert caught.value.column == 7


def test_brackets_inside_json_count_with_those_around() -> None:
    most = limits.MAX_NESTING
    for deep, fits in ((most, True), (most + 1, False)):
        text = "print (" + "[" * (deep - 1) + "]" * (deep - 1) + ")"
        if fits:
            assert parse(text, REGISTRY)
            continue
        with pytest.raises(UnbalancedInput, match="deep") as caught:
            parse(text, REGISTRY)
        assert caught.value.column == 7 + most


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("[]", 2),
        ("{} x", 2),
        ('{"a]":[1,{"b":"\\"}"}]} x', 22),
        ("[[[[[[[1]]]]]]]]", 15),
        ("[1}", None),
        ("[[[[[[1}]]]]]", None),
        ("[1", None),
        ('["]', None),
        ('["\\"]', None),
        ("]", None),
    ],
)
def test_where_json_ends(text: str, end: int | None) -> None:
    assert json_end(text, 0) == end


def test_a_quote_that_nothing_closes_is_looked_for_once() -> None:
    strings = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+|(?!))*+"|(?P<lone>")|(?P<open>\[)')
    rest = re.compile(r"(?P<open>\[)")
    tail = '\\"' * 1000 + "[ [ "
    found = [match[0] for match in parts(f'"a [" [ "{tail}', strings, rest)]
    assert found == ['"a ["', "[", "[", "["]


@pytest.mark.parametrize(
    "text",
    [
        "x" * LONG,
        "print " + '"' * LONG,
        'print ["' + '\\"' * (LONG // 2),
        "get status where format = " + "x" * LONG + " = 1",
        "get status where format = json " + "x" * LONG + "=1",
        "get status bring" + ".a" * (LONG // 2) + "=",
        "run" + " " * LONG + "x",
        "print " + "[a" * (LONG // 2),
        "print " + "(a" * (LONG // 2),
        'print "' + 'a"\n' * (LONG // 3),
    ],
    ids=range(10),
)
def test_hostile_texts_of_a_mebibyte_end(text: str) -> None:
    # With a pattern that tries again these take hours; nobody measures anything here.
    for action in (
        lambda: parse(text, REGISTRY),
        lambda: bind(parse_remote(from_wire(text), REGISTRY), REGISTRY, PEERS),
        lambda: LogicalLines(script=True).feed(text.partition("\n")[0]),
    ):
        with suppress(CommandError):  # any other error, or no end, fails
            action()


def test_json_with_an_open_string_stays_as_it_is() -> None:
    variables = Variables({"ab": "5"}, {})
    assert expand_json('{"k":!ab,"!ab":1', variables, strict=True) == '{"k":5,"5":1'
    for text in ('["!ab', '["!ab\\"', '["!ab\\', '["' + '\\"' * LONG + "!ab"):
        assert expand_json(text, variables, strict=True) == text


def test_touching_brackets_are_one_word() -> None:
    (statement,) = parse("print " + "a[b]" * 5000, REGISTRY)
    assert len(statement.words) == 2  # type: ignore[union-attr]
    assert bind(statement, REGISTRY, PEERS).text == "a[b]" * 5000


@pytest.mark.parametrize("outer", ["do ", "else ", "if !a then ", "do x = if !a then "])
def test_commands_inside_commands(outer: str) -> None:
    most = limits.MAX_NESTING // (3 if "=" in outer else 1)
    (statement,) = parse(outer * most + "print x", REGISTRY)
    assert statement.end == len(outer) * most + 7
    with pytest.raises(CommandSyntaxError, match="commands inside commands more than 64") as caught:
        parse(outer * (limits.MAX_NESTING + 1) + "print x", REGISTRY)
    assert caught.value.column is not None
