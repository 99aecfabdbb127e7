"""Runs the tables that Lark made of the grammar, and builds the nodes on the way.

Lark's own loop makes a token with lines and columns for every word, a tree for
every rule, and looks up each of them by name. This one follows the same tables
with the same patterns and keeps places only. It knows no errors: what it does
not understand, `edgelake.language.parser` gives to Lark, which explains it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lark import Lark
from lark.grammar import Rule
from lark.lexer import BasicLexer
from lark.parsers.lalr_analysis import Shift

from edgelake import limits
from edgelake.language.scan import json_end
from edgelake.language.syntax import Statement
from edgelake.language.tree import BUILDERS
from edgelake.language.words import MAKERS

__all__ = ["Machine", "Stuck", "too_many_references"]

_END = "$END"
_CLOSING = {"LEFT_BRACKET": "RIGHT_BRACKET", "LEFT_BRACE": "RIGHT_BRACE"}
_BRACKETS = frozenset({*_CLOSING, "LEFT_PAREN", "RIGHT_PAREN"})
_Match = Callable[[str, int], "re.Match[str] | None"]


class Stuck(Exception):
    """The text is no command, or exceeds a limit."""


class Machine:
    """The tables of one parser. Thread-safe.

    Parameters
    ----------
    lark : Lark
        Made with ``parser="lalr"``, ``lexer="contextual"`` and positions kept out of the tree.
    """

    def __init__(self, lark: Lark) -> None:
        table = lark.parser.parser._parse_table
        lexers = lark.parser.lexer.lexers
        terminals = {terminal.name for terminal in lark.terminals}
        patterns: dict[tuple[int, bool], _Pattern] = {}
        rules: dict[Rule, _Rule] = {}
        states = {number: _State() for number in table.states}
        for number, state in states.items():
            lexer = lexers[number]
            ends = _END in table.states[number]
            pattern = patterns.setdefault((id(lexer), ends), _Pattern(lexer, ends=ends))
            state.match = pattern.match_for(state)
            for name, (action, argument) in table.states[number].items():
                if action is not Shift:
                    if argument not in rules:
                        rules[argument] = _Rule(argument)
                    state.reduces[name] = rules[argument]
                elif name in terminals:
                    state.shifts[name] = states[argument]
                else:
                    state.gotos[str(name)] = states[argument]
        self._first = states[table.start_states["start"]]
        self._last = states[table.end_states["start"]]

    def parse(self, text: str, most_tokens: int) -> tuple[Statement, ...]:
        """Return the statements of a text.

        Raises
        ------
        Stuck
            Lark knows more.
        CommandSyntaxError
            Something is missing that the grammar lets pass, such as a word after ``+``;
            or brackets are too deep. A text that breaks the grammar too has that error first.
        """
        kind = ""
        state = self._first
        states = [state]
        values: list[Any] = []
        at = end = depth = tokens = 0
        closing = ""
        most_chars = limits.MAX_REFERENCES_IN_WORD
        while True:
            if closing:
                kind, closing = closing, ""
                start, at = at, at + 1
            else:
                found = state.match(text, at)
                if found is None:
                    raise Stuck
                name = found.lastgroup
                if name is None:
                    break  # the end of the text
                kind = name
                start, at = found.span(kind)
            if kind in state.reduces:
                state = _reduced(state, kind, text, states, values, end)
            following = state.shifts.get(kind)
            tokens += 1
            if following is None or tokens > most_tokens:
                raise Stuck
            if at - start > most_chars and too_many_references(text, start, at):
                raise Stuck
            state = following
            states.append(state)
            values.append(MAKERS[kind](text[start:at], start))
            end = at
            if kind not in _BRACKETS:
                continue
            if kind == "LEFT_PAREN":
                depth += 1
                if depth > limits.MAX_NESTING:
                    raise Stuck
            elif kind == "RIGHT_PAREN":
                depth -= 1
            elif kind in _CLOSING:
                # What JSON holds is one token, whatever is in it.
                after = json_end(text, start, outer=depth)
                if after is None:
                    raise Stuck
                if after > start + 2:
                    state = state.shifts["JSON_TEXT"]
                    states.append(state)
                    values.append(None)
                closing, at = _CLOSING[kind], after - 1
        state = _reduced(state, _END, text, states, values, end)
        if state is not self._last:
            raise Stuck
        statements: tuple[Statement, ...] = values[-1]
        return statements


# ------------------------------------------------------------------- parts


class _Rule:
    """A rule of the grammar as the loop needs it.

    Attributes
    ----------
    build : callable or None
        Makes a node of the parts; ``None`` for a rule that hands its one part on, and
        for those that Lark makes of ``*`` and ``+``: their value is a list.
    repeats : bool
        Whether it is one of those.
    grows : bool
        The first part is such a list.
    inline : bool
        One of the parts is.
    """

    __slots__ = ("build", "grows", "inline", "name", "repeats", "size")

    def __init__(self, rule: Rule) -> None:
        inner = [symbol.name.startswith("_") for symbol in rule.expansion]
        self.name = str(rule.origin.name)
        self.size = len(inner)
        self.repeats = self.name.startswith("_")
        self.grows = inner[:1] == [True]
        self.inline = any(inner)
        known = rule.alias or rule.options.template_source or rule.origin.name
        self.build = None if self.repeats else BUILDERS.get(str(known))


class _Pattern:
    """What the lexer tries in one state: its terminals, blanks and comments skipped before.

    Parameters
    ----------
    lexer : BasicLexer
        Its terminals stand in the order in which they are tried.
    ends : bool
        Whether the text may end here.

    Notes
    -----
    Skipping first is right because no terminal begins with a blank or ``#`` where the
    machine asks: JSON, in which they are text, is found by `json_end`.
    """

    def __init__(self, lexer: BasicLexer, *, ends: bool) -> None:
        self._lexer = lexer
        self._ends = ends
        self._match: _Match | None = None

    def match_for(self, state: _State) -> _Match:
        """Return the matching of a state; it is compiled when it is first used."""

        def first(text: str, at: int) -> re.Match[str] | None:
            if self._match is None:
                self._match = self._compiled()
            state.match = self._match
            return self._match(text, at)

        return first

    def _compiled(self) -> _Match:
        skipped: list[str] = []
        tried: list[str] = []
        for terminal in self._lexer.terminals:
            regexp = terminal.pattern.to_regexp()
            if terminal.name in self._lexer.ignore_types:
                skipped.append(f"(?:{regexp})")
            else:
                tried.append(f"(?P<{terminal.name}>{regexp})")
        if self._ends:
            tried.append(r"\Z")
        return re.compile(f"(?:{'|'.join(skipped)}|(?!))*+(?:{'|'.join(tried)})").match


class _State:
    """A state of the parser."""

    __slots__ = ("gotos", "match", "reduces", "shifts")

    def __init__(self) -> None:
        self.match: _Match
        self.shifts: dict[str, _State] = {}
        self.reduces: dict[str, _Rule] = {}
        self.gotos: dict[str, _State] = {}


def too_many_references(text: str, start: int, end: int) -> bool:
    """Return whether a word holds more references than `limits.MAX_REFERENCES_IN_WORD`."""
    found = text.count(":!", start, end) + text.count(":$", start, end)
    return found >= limits.MAX_REFERENCES_IN_WORD


def _reduced(
    state: _State, kind: str, text: str, states: list[_State], values: list[Any], end: int
) -> _State:
    """Return the state after all rules are complete that end before a token of this kind."""
    rule = state.reduces.get(kind)
    while rule is not None:
        size = rule.size
        build = rule.build
        if size == 1:
            states.pop()
            if build is not None:
                part = values[-1]
                values[-1] = build(text, part if rule.grows else [part], end)
            elif rule.repeats:
                values[-1] = [values[-1]]
        else:
            parts = values[-size:] if size else []
            if size:
                del values[-size:], states[-size:]
            if rule.grows:
                parts[0].extend(parts[1:])  # a long row is not copied again and again
                parts = parts[0]
            elif rule.inline:
                parts = _flat(parts)
            values.append(parts if build is None else build(text, parts, end))
        state = states[-1].gotos[rule.name]
        states.append(state)
        rule = state.reduces.get(kind)
    return state


def _flat(parts: list[Any]) -> list[Any]:
    """Return the parts with repeated ones, which are lists, taken out of their lists."""
    found: list[Any] = []
    for part in parts:
        if isinstance(part, list):
            found += part
        else:
            found.append(part)
    return found
