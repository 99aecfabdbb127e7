"""The guide to the language shows the language that there is."""

from __future__ import annotations

import re
from pathlib import Path

from edgelake.commands import build_registry
from edgelake.commands.reserved import reserved_entries
from edgelake.language.checking import ScriptCheck
from edgelake.language.ebnf import TERMINALS, grammar_table, with_grammar
from edgelake.language.lalr import reader_of
from edgelake.language.layout import format_script
from edgelake.storage import Home

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
REGISTRY = build_registry()
ENTRIES = reserved_entries(Home(Path()))


def test_the_grammar_is_the_present_one() -> None:
    assert with_grammar(PAGE) == PAGE, "run: make docs"


def test_every_rule_and_terminal_is_in_the_table() -> None:
    table = grammar_table()
    lark = reader_of(REGISTRY).lark
    rules = {str(rule.options.template_source or rule.origin.name) for rule in lark.rules}
    for name in rules:
        if not name.startswith("_"):
            assert re.search(rf"^{name}(\{{\w+\}})? = ", table, re.MULTILINE), name
    left = set(re.findall(r"\b[A-Z_]{3,}\b", table.partition("\n```\n")[0]))
    assert left <= TERMINALS.keys()
    assert {f"`{name}`" for name in left} <= set(re.findall(r"`[A-Z_]+`", table))


def examples() -> list[str]:
    """Return the scripts of the page."""
    return re.findall(r"^```al\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_examples_are_scripts_in_canonical_form() -> None:
    found = examples()
    assert len(found) >= 7
    for text in found:
        errors = [
            one for one in ScriptCheck(text, REGISTRY).diagnostics(ENTRIES) if one.code != 282
        ]
        assert errors == [], text
        assert format_script(text, REGISTRY) == (text, [])


def test_every_form_of_an_error_that_the_page_names_has_its_number() -> None:
    from edgelake import errors
    from edgelake.wire import short_text

    codes = {int(code) for code in re.findall(r"errors? (\d+)", PAGE)}
    known = {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.EdgeLakeError)
    }
    for code in codes:
        assert code in known
        assert short_text(code) != f"error {code}"
