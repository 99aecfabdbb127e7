"""From text to statements: builds the LALR parser of a registry, once, and runs it."""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Iterable
from importlib import resources

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput
from lark.lexer import PatternRE, TerminalDef

from edgelake import limits
from edgelake.errors import CommandSyntaxError, UnbalancedInput, UnknownCommand
from edgelake.language.command import CommandRegistry
from edgelake.language.faults import explain
from edgelake.language.places import place
from edgelake.language.syntax import CommandStatement, Shape, Statement
from edgelake.language.tree import TreeReader

__all__ = ["parse", "parse_remote"]

_GRAMMAR = "edgelake.grammar"
_NOTHING = "(?!)x"
_BRACKET = re.compile(r'"[^"]*"|[(\[{]|[)\]}]')

_parsers: weakref.WeakKeyDictionary[CommandRegistry, Lark] = weakref.WeakKeyDictionary()
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
    if len(text) > limits.MAX_COMMAND_CHARS:
        raise CommandSyntaxError(
            f"a command of {len(text)} characters exceeds {limits.MAX_COMMAND_CHARS}"
        )
    _check_nesting(text)
    try:
        tree = _tree(_parser(registry), text)
    except UnexpectedInput as exc:
        raise explain(exc, text) from None
    return TreeReader(text).statements(tree)


def parse_remote(text: str, registry: CommandRegistry) -> CommandStatement:
    """Return the one command that a peer's text is.

    Parameters
    ----------
    text : str
        What `from_wire` returned.

    Raises
    ------
    UnknownCommand
        It is no command, an assignment, a value to show, or several commands.
    CommandSyntaxError, UnbalancedInput
    """
    statements = parse(text, registry)
    if len(statements) != 1:
        raise UnknownCommand("a message of a peer holds exactly one command")
    statement = statements[0]
    if not isinstance(statement, CommandStatement) or statement.shape is Shape.UNKNOWN:
        raise UnknownCommand(f"'{statement.source}' is no command", column=1)
    return statement


# ------------------------------------------------------------------- parts


def _tree(parser: Lark, text: str) -> Tree[Token]:
    """Run the parser token by token, so that a flood of tokens ends early."""
    state = parser.parse_interactive(text).parser_state
    token: Token | None = None
    for count, token in enumerate(state.lexer.lex(state)):  # type: ignore[no-untyped-call]
        if count >= limits.MAX_COMMAND_TOKENS:
            raise place(
                CommandSyntaxError(f"a command exceeds {limits.MAX_COMMAND_TOKENS} words"),
                text,
                token.start_pos or 0,
            )
        state.feed_token(token)
    end = Token.new_borrow_pos("$END", "", token) if token else Token("$END", "", 0, 1, 1)
    tree: Tree[Token] = state.feed_token(end, True)
    return tree


def _parser(registry: CommandRegistry) -> Lark:
    found = _parsers.get(registry)
    if found is None:
        with _building:
            found = _parsers.get(registry)
            if found is None:
                found = _parsers[registry] = _build(registry)
    return found


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
    choices = "|".join(re.escape(name).replace(r"\ ", r"\s+") for name in longest_first)
    return rf"(?:{choices})(?=[\s=&(]|$)"


def _check_nesting(text: str) -> None:
    """Refuse brackets inside brackets beyond the limit before anything walks them."""
    if text.count("(") + text.count("[") + text.count("{") <= limits.MAX_NESTING:
        return
    depth = 0
    for match in _BRACKET.finditer(text):
        if match[0] in "([{":
            depth += 1
            if depth > limits.MAX_NESTING:
                message = f"brackets inside brackets more than {limits.MAX_NESTING} deep"
                raise place(UnbalancedInput(message), text, match.start())
        elif match[0] in ")]}":
            depth = max(0, depth - 1)
