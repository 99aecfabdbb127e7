"""From text to statements: builds the LALR parser of a registry, once, and runs it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from importlib import resources

from lark import Lark, Token
from lark.exceptions import UnexpectedInput
from lark.lexer import PatternRE, TerminalDef

from edgelake import limits
from edgelake.errors import CommandError, CommandSyntaxError, UnknownCommand
from edgelake.language.command import CommandRegistry
from edgelake.language.faults import explain
from edgelake.language.machine import Machine, Stuck, too_many_references
from edgelake.language.places import check_size, place
from edgelake.language.scan import json_end, too_deep
from edgelake.language.syntax import CommandStatement, Shape, Statement

__all__ = ["parse", "parse_remote"]

_GRAMMAR = "edgelake.grammar"
_NOTHING = "(?!)x"
_FIRST_WORD = re.compile(r"\s*+([^\s=&(#]*+)")
_OPENING = frozenset({"LEFT_PAREN", "LEFT_BRACKET", "LEFT_BRACE"})
_CLOSING = frozenset({"RIGHT_PAREN", "RIGHT_BRACKET", "RIGHT_BRACE"})

_building = threading.Lock()


def parse(text: str, registry: CommandRegistry) -> tuple[Statement, ...]:
    """Return the statements of a text; none if it holds only blanks and comments.

    Parameters
    ----------
    text : str
        One logical line, at most `limits.MAX_COMMAND_CHARS` characters; ``&``
        separates statements.
    registry : CommandRegistry
        Tells which first words begin commands. Names are looked up by `bind`.

    Raises
    ------
    CommandSyntaxError, UnbalancedInput
        With ``column``, and ``line`` if the text has several.

    Notes
    -----
    Thread-safe. The first call for a registry builds its parser (tens of
    milliseconds).
    """
    check_size(text, limits.MAX_COMMAND_CHARS)
    return _statements(text, registry, limits.MAX_COMMAND_TOKENS)


def parse_remote(text: str, registry: CommandRegistry) -> CommandStatement:
    """Return the one command that a peer's text is.

    Parameters
    ----------
    text : str
        What `from_wire` returned, at most `limits.MAX_REMOTE_COMMAND_CHARS`
        characters and, JSON aside, `limits.MAX_REMOTE_COMMAND_TOKENS` words.

    Raises
    ------
    UnknownCommand
        It is no command, an assignment, a value to show, or several commands.
    CommandSyntaxError, UnbalancedInput
    """
    check_size(text, limits.MAX_REMOTE_COMMAND_CHARS)
    first = _FIRST_WORD.match(text)
    if first is not None and first[1] and first[1] not in registry.first_words():
        raise _no_command(text.strip())  # before any work on the rest
    statements = _statements(text, registry, limits.MAX_REMOTE_COMMAND_TOKENS)
    if len(statements) != 1:
        raise UnknownCommand("a message of a peer holds exactly one command")
    statement = statements[0]
    if not isinstance(statement, CommandStatement) or statement.shape is Shape.UNKNOWN:
        raise _no_command(statement.source)
    return statement


# ------------------------------------------------------------------- parts


def _no_command(source: str) -> UnknownCommand:
    return UnknownCommand(f"'{source}' is no command", column=1)


def _statements(text: str, registry: CommandRegistry, most_tokens: int) -> tuple[Statement, ...]:
    reader = _reader(registry)
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


def _reader(registry: CommandRegistry) -> _Reader:
    found = registry.reader
    if found is None:
        with _building:
            found = registry.reader
            if found is None:
                found = registry.reader = _Reader(registry)
    assert isinstance(found, _Reader)
    return found


class _Reader:
    """What reads the commands of one registry."""

    def __init__(self, registry: CommandRegistry) -> None:
        self.lark = _build(registry)
        self.machine = Machine(self.lark)


def _build(registry: CommandRegistry) -> Lark:
    """Build the parser; the first words of commands come from the registry."""
    patterns = {
        "FREE": _names(command.name for command in registry if command.text),
        "REMOTE": _names(command.name for command in registry if command.remote),
        "VERB": _names(
            command.name.partition(" ")[0]
            for command in registry
            if not command.text and not command.remote
        ),
    }

    def fill(terminal: TerminalDef) -> None:
        pattern = patterns.get(terminal.name)
        if pattern is not None:
            terminal.pattern = PatternRE(pattern)

    grammar = resources.files(_GRAMMAR)
    with resources.as_file(grammar) as folder:
        return Lark(
            (folder / "command.lark").read_text(encoding="utf-8"),
            parser="lalr",
            lexer="contextual",
            import_paths=[str(folder)],
            source_path=str(folder / "command.lark"),
            edit_terminals=fill,
            maybe_placeholders=False,
            propagate_positions=False,
        )


def _names(names: Iterable[str]) -> str:
    """Return the pattern of names of commands at the start of a statement."""
    longest_first = sorted(set(names), key=lambda name: (-len(name), name))
    if not longest_first:
        return _NOTHING
    choices = "|".join(re.escape(name).replace(r"\ ", r"\s++") for name in longest_first)
    return rf"(?:{choices})(?=[\s=&(]|$)"
