"""Whatever is typed, sent or stored: an error of the language or a command, never a surprise."""

from __future__ import annotations

import json
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from edgelake.errors import CommandError
from edgelake.language import (
    Address,
    CommandStatement,
    LogicalLines,
    Variables,
    bind,
    expand_text,
    format_error,
    format_error_block,
    from_wire,
    parse,
    parse_remote,
)
from tests.language.sample import REGISTRY
from tests.language.tree_text import statement_text

VARIABLES = Variables({"a": "5", "text": "x & y", "json": '{"k":!a}'}, {"HOME": "/home/el"})

FRAGMENTS = st.sampled_from(
    [
        *REGISTRY.names(),
        *"\"'`()[]{}&#<>=+:/,!$\\ \n\t",
        *("where", "and", "or", "not", "using", "bring", "==", "!a", "!!a", "$HOME", "!text"),
        *("!json", "x", "5", "198.51.100.7:1", "format = json", '{"a":!a}', "30 seconds"),
        *("é", "\0", "\u2028", "\x1b"),
    ]
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(FRAGMENTS, max_size=14).map(" ".join),
    st.lists(FRAGMENTS, max_size=14).map("".join),
)
VALUES = st.one_of(st.text(min_size=1, max_size=40), TEXTS.filter(bool))
PLAIN = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8).filter(
    lambda word: word not in {"and", "or", "where", "using", "bring", "not"}
)


def failure(action: Callable[[], object]) -> CommandError | None:
    """Return the error of the language that an action ends with; any other one passes through."""
    try:
        action()
    except CommandError as error:
        return error
    return None


def run(text: str, variables: Variables) -> None:
    """Take a text through all stages."""
    for statement in parse(text, REGISTRY):
        if isinstance(statement, CommandStatement):
            bind(statement, REGISTRY, variables)
        else:
            expand_text(statement.items, variables)


@given(TEXTS)
@settings(max_examples=1500, deadline=None)
def test_any_text_is_a_command_or_an_error_with_a_place(text: str) -> None:
    error = failure(lambda: run(text, VARIABLES))
    if error is not None:
        assert error.column is not None
        assert format_error(error, text).isprintable()
        assert format_error_block(error, text).count("\n") == 2


@given(TEXTS)
@settings(max_examples=700, deadline=None)
def test_source_of_a_statement_means_the_same(text: str) -> None:
    try:
        statements = parse(text, REGISTRY)
    except CommandError:
        return
    for statement in statements:
        assert statement_text(parse(statement.source, REGISTRY)[0]) == statement_text(statement)


@given(TEXTS)
@settings(max_examples=700, deadline=None)
def test_any_message_is_one_command_or_an_error(text: str) -> None:
    try:
        statement = parse_remote(from_wire(text), REGISTRY)
    except CommandError:
        return
    assert isinstance(statement, CommandStatement)


@given(st.lists(TEXTS, max_size=8), st.booleans())
def test_any_lines_are_collected_or_an_error(texts: list[str], script: bool) -> None:
    lines = LogicalLines(script=script)
    numbers: list[int] = []
    for text in texts:
        numbers += [number for number, _ in lines.feed(text)]
    error = failure(lines.finish)
    assert error is None or error.line is not None
    assert not lines.open
    assert numbers == sorted(set(numbers))


@given(VALUES)
@settings(max_examples=400, deadline=None)
def test_a_value_never_changes_the_shape(value: str) -> None:
    variables = Variables({"v": value}, {"V": value})
    text = "print !v $V & blockchain delete policy where id = !v and master = 198.51.100.7:1"
    statements = parse(text, REGISTRY)
    assert len(statements) == 2
    printed = bind(statements[0], REGISTRY, variables)
    assert len(printed.words) == 2
    assert printed.text.startswith(f"{value} ")
    deleted = bind(statements[1], REGISTRY, variables)
    assert deleted.given == {"id", "master"}
    assert deleted.options["id"] == value
    assert deleted.options["master"] == (Address("198.51.100.7", 1),)


@given(VALUES)
@settings(max_examples=400, deadline=None)
def test_a_value_never_breaks_json(value: str) -> None:
    variables = Variables({"v": value}, {})
    (statement,) = parse('blockchain insert where policy = {"d":{"q":"!v"}}', REGISTRY)
    call = bind(statement, REGISTRY, variables)
    assert call.options["policy"].data == {"d": {"q": value}}
    assert json.loads(call.options["policy"]) == call.options["policy"].data


@given(st.lists(st.lists(PLAIN, min_size=1, max_size=3), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_words_arrive_as_they_were_sent(words: list[list[str]]) -> None:
    quoted = " ".join(f'"{"  ".join(word)}"' for word in words)
    text = f"run client 198.51.100.7:1 print {quoted}"
    (statement,) = parse(text, REGISTRY)
    wire = bind(statement, REGISTRY, VARIABLES).arguments["command"]
    received = parse_remote(from_wire(wire), REGISTRY)
    expected = " ".join("  ".join(word) for word in words)
    assert bind(received, REGISTRY, VARIABLES).text == expected


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4))
@settings(max_examples=300, deadline=None)
def test_policies_arrive_as_they_were_sent(body: dict[str, str]) -> None:
    text = json.dumps({"device": body})
    statement = parse_remote(from_wire(f"blockchain push {text}"), REGISTRY)
    call = bind(statement, REGISTRY, VARIABLES.for_peers())
    assert call.arguments["policy"] == text
    assert call.arguments["policy"].data == {"device": body}
