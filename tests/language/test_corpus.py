"""Golden files: what commands parse to, and the one line each wrong command gets.

A case is a command in lines that begin with ``> ``, what is expected below it,
and an empty line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lark import Lark

from edgelake.errors import CommandError, CommandNotAvailable
from edgelake.language import (
    CommandStatement,
    Statement,
    Variables,
    bind,
    format_error,
    format_error_block,
    lalr,
    parse,
)
from tests.language.sample import NETWORK, REGISTRY
from tests.language.tree_text import statement_text

CORPUS = Path(__file__).parent / "corpus"
LINES = Path(__file__).parent / "data" / "commands.txt"
VARIABLES = Variables({"a": "5", "name": "North Pier", "ip": "198.51.100.7"}, {"HOME": "/home/el"})


def cases(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield command and expected text of each case in the files of a folder."""
    for path in sorted(folder.glob("*.txt")):
        for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
            lines = block.split("\n")
            command = [line[2:] for line in lines if line.startswith("> ")]
            expected = [line for line in lines if not line.startswith("> ")]
            yield "\n".join(command), "\n".join(expected)


def bind_all(text: str) -> None:
    """Parse a text and bind each of its commands, those inside others too."""
    for statement in parse(text, REGISTRY):
        _bind(statement)


def _bind(statement: Statement) -> None:
    call = bind(statement, REGISTRY, VARIABLES)
    if isinstance(call.body, CommandStatement):
        _bind(call.body)


@pytest.mark.parametrize(("command", "expected"), list(cases(CORPUS)))
def test_tree(command: str, expected: str) -> None:
    statements = parse(command, REGISTRY)
    assert "\n".join(map(statement_text, statements)) == expected


@pytest.mark.parametrize(("command", "expected"), list(cases(CORPUS)))
def test_source_of_a_statement_parses_to_the_same(command: str, expected: str) -> None:
    sources = [statement.source for statement in parse(command, REGISTRY)]
    assert "\n".join(statement_text(parse(text, REGISTRY)[0]) for text in sources) == expected


@pytest.mark.parametrize(("command", "expected"), list(cases(CORPUS / "errors")))
def test_message(command: str, expected: str) -> None:
    with pytest.raises(CommandError) as caught:
        bind_all(command)
    assert format_error(caught.value) == expected
    first, shown, caret = format_error_block(caught.value, command).split("\n")
    assert (first, shown) == (expected, f"  {command}")
    assert caught.value.column is not None
    assert caret == " " * (caught.value.column + 1) + "^"


def test_every_rule_of_the_grammar_is_reached() -> None:
    found: set[str] = set()
    lark: Lark = lalr.reader_of(REGISTRY).lark
    for command, _ in cases(CORPUS):
        found |= {str(tree.data) for tree in lark.parse(command).iter_subtrees()}
    declared = {
        str(rule.alias or rule.options.template_source or rule.origin.name) for rule in lark.rules
    }
    inlined = {"command", "statement", "item", "part", "text", "tail", "json", "loose"}
    inlined |= {"group_item"}
    helpers = {name for name in declared if name.startswith("_")}
    assert declared - found - inlined - helpers - {"unknown", "unknown_next"} == set()


def _lines() -> list[tuple[str, str]]:
    lines = LINES.read_text(encoding="utf-8").splitlines()
    found = [line.split("\t")[:2] for line in lines if line]
    # Blocks are a matter of lines, not of the grammar.
    return [(text[1:-1] if text[0] == "<" else text, outcome) for text, outcome in found]


def test_lines_of_the_language_description() -> None:
    """Correct lines and semantic errors parse; lexical errors never do."""
    outcomes: dict[str, int] = {}
    for command, outcome in _lines():
        kind = outcome.split()[0]
        outcomes[kind] = outcomes.get(kind, 0) + 1
        try:
            parse(command, NETWORK)
            parsed = True
        except CommandNotAvailable:
            parsed = True  # its shape is its own
        except CommandError:
            parsed = False
        if kind == "error:lex":
            assert not parsed, command
        elif kind not in ("error:syntax", "error:unknown-command"):
            assert parsed, command
    assert outcomes["ok"] > 100
    assert outcomes["error:lex"] >= 6


@pytest.mark.parametrize(
    "command", [text for text, outcome in _lines() if outcome.startswith("error:unknown-command")]
)
def test_unknown_commands_of_the_language_description(command: str) -> None:
    with pytest.raises(CommandError):
        bind_all(command)
