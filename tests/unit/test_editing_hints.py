"""The line below the prompt."""

from __future__ import annotations

import pytest

from edgelake import limits
from edgelake.commands import build_registry
from edgelake.editing.hints import hint
from tests.language.sample import REGISTRY as SAMPLE

REGISTRY = build_registry()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("get sta", ""),
        ("get status", "get status: show that the node runs, and its name"),
        ("nosuch ", "no command 'nosuch'"),
        ("get statsu ", "no command 'get statsu'"),
        ("process ", "script: path (file of commands, one a line)"),
        (
            "run blockchain sync where ",
            "option: source, time, dest, connection, platform, relay …; still needed:"
            " source = <master|blockchain|dbms> and time = <time> and dest = <file|dbms>",
        ),
        (
            "run blockchain sync where connection ",
            "connection: ip:port, for example 10.0.0.7:32048"
            " (the master; default the master policy known)",
        ),
        (
            "run blockchain sync where time = ",
            "time: a number and seconds, minutes, hours, days or weeks, for example 30 seconds"
            " (pause between two cycles); still needed:"
            " source = <master|blockchain|dbms> and dest = <file|dbms>",
        ),
        ("run blockchain sync where nosuch = 1", "no option 'nosuch'"),
        (
            "run tcp server where bind = yes and ",
            "'yes' is not true or false; write true or false",
        ),
        ("run tcp server where bind = true and bind = ", "option 'bind' is given twice"),
        ("print 'abc", "text: the closing ' is missing"),
        ('x = {"a": ', "JSON: its end is missing; Enter adds a line"),
        ("print a # note", ""),
        ("get processes now ", "'get processes' takes no more words here"),
        ("if !a = 5 ", "write == to compare"),
        ("set a ", "set <name> = <value>"),
        ("get status & set remote permission = ", "level: read, metadata or admin"),
    ],
)
def test_what_is_said(text, said):
    assert hint(text, REGISTRY) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "connect dbms orchard where memory = true ",
            "and; still needed: type = <sqlite|psql>",
        ),
        (
            "connect dbms orchard where type = sqlite ",
            "connect dbms <name> where type = <sqlite|psql> and …",
        ),
        ("schedule name = a and ", "option: time; still needed: time = <time>"),
    ],
)
def test_options_that_are_still_needed(text, said):
    assert hint(text, SAMPLE) == said


def test_nothing_is_wrong_while_it_is_being_typed():
    for text in ("get stat", "run tcp server where bi", "run tcp server where bind = tr"):
        assert "no " not in hint(text, REGISTRY)
        assert "not" not in hint(text, REGISTRY)


def test_nothing_is_said_of_a_long_text():
    long = "get nosuch " + "x" * limits.MAX_STYLED_CHARS
    assert hint(long, REGISTRY) == ""
    assert hint(long[: limits.MAX_STYLED_CHARS], REGISTRY) != ""


def test_only_values_of_a_reasonable_length_are_checked():
    begun = "run tcp server where bind = "
    edge = limits.MAX_CHECKED_CHARS
    assert "is not true or false" in hint(f"{begun}{'x' * edge} ", REGISTRY)
    assert "is not true or false" not in hint(f"{begun}{'x' * (edge + 1)} ", REGISTRY)


def test_statements_inside_statements_are_read_as_deep_as_the_language_takes_them():
    assert hint("do " * limits.MAX_NESTING + "nosuch ", REGISTRY) == "no command 'nosuch'"
    assert hint("do " * (limits.MAX_NESTING + 1) + "nosuch ", REGISTRY) == ""
