"""Physical lines to logical lines."""

from __future__ import annotations

import pytest

from edgelake import limits
from edgelake.errors import CommandSyntaxError, UnbalancedInput
from edgelake.language import CommandStatement, LogicalLines, Variables, bind, parse
from tests.language.sample import REGISTRY


def collected(text: str, *, script: bool = False) -> list[tuple[int, str]]:
    """Return the logical lines of a whole text."""
    lines = LogicalLines(script=script)
    found = [entry for line in text.splitlines(keepends=True) for entry in lines.feed(line)]
    return found + lines.finish()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\r\n", [(1, "a"), (2, "b")]),
        ("\n  \n# note\n\ta b # c\n", [(4, "\ta b # c")]),
        ("\ufeffa", [(1, "a")]),
        ("< print one >", [(1, "  print one  ")]),
        ("<print one>", [(1, " print one ")]),
        ("<a\n b>\nc", [(1, " a\n b "), (3, "c")]),
        ("<a\n# note >\n\n b> # end\nc", [(1, " a\n        \n\n b  # end"), (5, "c")]),
        ("<a where # x >\n b = 1>", [(1, " a where # x >\n b = 1 ")]),
        ('<a "x > y"\n>', [(1, ' a "x > y"\n ')]),
        ("<a = '>'\n b>", [(1, " a = '>'\n b ")]),
        ("<\n>", []),
    ],
)
def test_lines(text: str, expected: list[tuple[int, str]]) -> None:
    assert collected(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('x = {\n "a": 1\n}\ny', [(1, 'x = {\n "a": 1\n}'), (4, "y")]),
        ('x = {"a":"{"}\ny', [(1, 'x = {"a":"{"}'), (2, "y")]),
        ("x = [1,\n# note ]\n2]\ny", [(1, "x = [1,\n        \n2]"), (4, "y")]),
        ("x = 1 # {\ny", [(1, "x = 1 # {"), (2, "y")]),
        ("print }\ny", [(1, "print }"), (2, "y")]),
        ("x = '{'\ny", [(1, "x = '{'"), (2, "y")]),
    ],
)
def test_json_goes_on_in_scripts(text: str, expected: list[tuple[int, str]]) -> None:
    assert collected(text, script=True) == expected


def test_json_does_not_go_on_at_the_console() -> None:
    assert collected("x = {\n}") == [(1, "x = {"), (2, "}")]


def test_open_says_whether_more_is_expected() -> None:
    lines = LogicalLines()
    assert not lines.open
    assert lines.feed("<run tcp server where\n") == []
    assert lines.open
    assert lines.feed("  external_ip = a>\n")
    assert not lines.open


@pytest.mark.parametrize(("text", "line"), [("a\n<b\nc\n", 2), ("a\n\nx = {\n1\n", 3)])
def test_unclosed_at_the_end(text: str, line: int) -> None:
    with pytest.raises(UnbalancedInput) as caught:
        collected(text, script=True)
    assert caught.value.line == line


def test_reading_goes_on_after_the_error() -> None:
    lines = LogicalLines()
    lines.feed("<a")
    with pytest.raises(UnbalancedInput):
        lines.finish()
    assert lines.feed("b") == [(2, "b")]


def test_a_block_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_COMMAND_CHARS", 20)
    lines = LogicalLines()
    lines.feed("<a where b = 1")
    with pytest.raises(CommandSyntaxError, match="exceeds 20"):
        lines.feed("and c = 2")
    assert not lines.open


def test_places_in_a_block_are_places_in_the_source() -> None:
    ((_, text),) = collected("<run tcp server where\n  external_ip = a and\n  external_port = ham>")
    (statement,) = parse(text, REGISTRY)
    assert isinstance(statement, CommandStatement)
    with pytest.raises(CommandSyntaxError) as unclosed:
        parse(text + '\n "', REGISTRY)
    assert (unclosed.value.line, unclosed.value.column) == (4, 2)
    with pytest.raises(ValueError, match="not a port") as caught:
        bind(statement, REGISTRY, Variables())
    error = caught.value
    assert (error.line, error.column) == (3, 19)
