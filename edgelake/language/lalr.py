"""The LALR parser of a registry: built once from the grammar, and run over texts."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources

from lark import Lark, Token
from lark.exceptions import UnexpectedInput
from lark.lexer import PatternRE, TerminalDef

from edgelake import limits
from edgelake.errors import CommandError, CommandSyntaxError
from edgelake.language.command import Form
from edgelake.language.faults import explain
from edgelake.language.machine import Machine, Stuck, too_many_references
from edgelake.language.places import place
from edgelake.language.registry import CommandRegistry
from edgelake.language.scan import SOURCE_TEXT, json_end, too_deep
from edgelake.language.syntax import Statement

__all__ = ["Reader", "reader_of", "statements"]

_GRAMMAR = "edgelake.grammar"
_NOTHING = "(?!)x"
_OPENING = frozenset({"LEFT_PAREN", "LEFT_BRACKET", "LEFT_BRACE"})
_CLOSING = frozenset({"RIGHT_PAREN", "RIGHT_BRACKET", "RIGHT_BRACE"})

_building = threading.Lock()


def statements(text: str, registry: CommandRegistry, most_tokens: int) -> tuple[Statement, ...]:
    """Return the statements of a text of at most ``most_tokens`` words and signs.

    Raises
    ------
    CommandSyntaxError, UnbalancedInput
    """
    reader = reader_of(registry)
    fault: CommandError | None = None
    try:
        return reader.machine.parse(text, most_tokens)
    except Stuck:
        pass
    except CommandError as exc:
        fault = exc
    try:
        _check(reader.lark, text, most_tokens)
    except UnexpectedInput as exc:
        raise explain(exc, text) from None
    # What the grammar has against a text comes before what is missing in it.
    assert fault is not None, "the machine takes all that the grammar takes"
    raise fault


def _check(parser: Lark, text: str, most_tokens: int) -> None:
    """Let Lark say what is wrong with a text, token by token: a flood of them ends early.

    JSON that closes is one token between its outer brackets, whatever is in it.
    """
    state = parser.parse_interactive(text).parser_state
    lexed = state.lexer.state
    assert lexed is not None
    token: Token | None = None
    depth = 0
    in_json = False
    for count, token in enumerate(state.lexer.lex(state)):  # type: ignore[no-untyped-call]
        if count >= most_tokens:
            raise place(
                CommandSyntaxError(f"a command exceeds {most_tokens} words"),
                text,
                token.start_pos or 0,
            )
        if len(token) > limits.MAX_REFERENCES_IN_WORD:
            _check_references(token, text)
        state.feed_token(token)
        kind = token.type
        if kind in _OPENING:
            start = token.start_pos or 0
            depth += 1
            if depth > limits.MAX_NESTING:
                raise too_deep(text, start)
            if kind != "LEFT_PAREN" and not in_json:
                end = json_end(text, start, outer=depth - 1)
                in_json = end is None  # and stays so: the parser finds what is wrong with it
                if end is not None and end > start + 2:
                    inside = text[start + 1 : end - 1]
                    state.feed_token(Token("JSON_TEXT", inside, start + 1))
                    lexed.line_ctr.feed(inside)
        elif kind in _CLOSING:
            depth -= 1
    last = Token.new_borrow_pos("$END", "", token) if token else Token("$END", "", 0, 1, 1)
    state.feed_token(last, True)


def _check_references(token: Token, text: str) -> None:
    start = token.start_pos or 0
    if too_many_references(text, start, start + len(token)):
        raise place(
            CommandSyntaxError(
                f"a word holds more than {limits.MAX_REFERENCES_IN_WORD} references",
                hint="write several words",
            ),
            text,
            start,
        )


def reader_of(registry: CommandRegistry) -> Reader:
    """Return what reads the commands of a registry; the first call builds it."""
    found = registry.reader
    if found is None:
        with _building:
            found = registry.reader
            if found is None:
                found = registry.reader = _reader(registry)
    assert isinstance(found, Reader)
    return found


class Reader:
    """What reads the commands of a registry."""

    def __init__(self, lark: Lark) -> None:
        self.lark = lark
        self.machine = Machine(lark)


def _reader(registry: CommandRegistry) -> Reader:
    """Return a reader; the first words of commands come from the registry."""
    by_form: dict[Form, list[str]] = {form: [] for form in Form}
    for command in registry:
        form = command.form
        name = command.name.partition(" ")[0] if form is Form.VERB else command.name
        by_form[form].append(name)
    return _build(tuple((form.name, _names(names)) for form, names in by_form.items()))


@lru_cache(maxsize=4)
def _build(first_words: tuple[tuple[str, str], ...]) -> Reader:
    """Build the parser; nobody changes it, and the nodes of one process share it."""
    patterns = dict(first_words)
    patterns["SOURCE_TEXT"] = SOURCE_TEXT

    def fill(terminal: TerminalDef) -> None:
        pattern = patterns.get(terminal.name)
        if pattern is not None:
            terminal.pattern = PatternRE(pattern)

    grammar = resources.files(_GRAMMAR)
    with resources.as_file(grammar) as folder:
        lark = Lark(
            (folder / "command.lark").read_text(encoding="utf-8"),
            parser="lalr",
            lexer="contextual",
            import_paths=[str(folder)],
            source_path=str(folder / "command.lark"),
            edit_terminals=fill,
            maybe_placeholders=False,
            propagate_positions=False,
        )
    return Reader(lark)


def _names(names: Iterable[str]) -> str:
    """Return the pattern of names of commands at the start of a statement."""
    longest_first = sorted(set(names), key=lambda name: (-len(name), name))
    if not longest_first:
        return _NOTHING
    choices = "|".join(re.escape(name).replace(r"\ ", r"\s++") for name in longest_first)
    return rf"(?:{choices})(?=[\s=&(]|$)"
