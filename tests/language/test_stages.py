"""Golden files of every stage: the words of a command, its tree, its call, and its text again.

A case is a command in a line that begins with ``> ``; below it the words (kind and text), the
tree, the call with its typed values, and the command as it is printed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgelake.language import (
    Assignment,
    CommandStatement,
    Statement,
    Variables,
    bind,
    parse,
)
from edgelake.language.lalr import reader_of
from edgelake.language.printing import canonical
from edgelake.language.walk import nested
from tests.language.sample import REGISTRY
from tests.language.test_corpus import CORPUS, cases
from tests.language.tree_text import statement_text

STAGES = CORPUS / "stages"
VARIABLES = Variables({"a": "5", "name": "North Pier", "ip": "198.51.100.7"}, {"HOME": "/home/el"})


def words(text: str) -> str:
    """Return the kinds and texts of the words of a command."""
    state = reader_of(REGISTRY).lark.parse_interactive(text).parser_state
    found = []
    for token in state.lexer.lex(state):  # type: ignore[no-untyped-call]
        found.append(f"{token.type}:{token}")
        state.feed_token(token)
    return " | ".join(found)


def calls(statement: Statement) -> Iterator[str]:
    """Yield the calls of a statement and of those inside it, what they were given by name."""
    for inner in nested(statement):
        if isinstance(inner, Assignment):
            yield f"{inner.target_text} ="
        if not isinstance(inner, CommandStatement):
            continue
        call = bind(inner, REGISTRY, VARIABLES)
        given = {name: value for name, value in call.arguments.items() if value not in (None, ())}
        given |= {key: call.options[key] for key in sorted(call.given)}
        if call.value is not None:
            given["="] = call.value
        yield f"{call.command.name}({', '.join(f'{k}: {v!r}' for k, v in given.items())})"


def stages(text: str) -> str:
    """Return all stages of a command."""
    (statement,) = parse(text, REGISTRY)
    return "\n".join(
        [words(text), statement_text(statement), *calls(statement), canonical(statement, REGISTRY)]
    )


@pytest.mark.parametrize(("command", "expected"), list(cases(STAGES)))
def test_stages(command: str, expected: str) -> None:
    assert stages(command) == expected


def test_there_are_cases_of_every_form() -> None:
    forms = set()
    for command, _ in cases(STAGES):
        for inner in nested(parse(command, REGISTRY)[0]):
            forms.add(inner.shape.value if isinstance(inner, CommandStatement) else type(inner))
    assert {"free", "verb", "remote", "if", "branch", "wait", "schedule", Assignment} <= forms
