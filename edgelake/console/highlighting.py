"""Colours of a command while it is typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.lexers import Lexer

from edgelake import limits
from edgelake.commands.streams import internal_error
from edgelake.editing.places import Part, Role
from edgelake.editing.reading import read_tokens
from edgelake.editing.sources import NodeNames
from edgelake.editing.tokens import Kind, Token, scan
from edgelake.language import CommandRegistry

__all__ = ["CommandLexer", "styled"]

_REFERENCE = re.compile(r"(!!?|\$)([^\s\"'`{}\[\](),=+&<>!$:/;]++)")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[KMGT]B)?", re.IGNORECASE)
_UNIT = re.compile(r"(?:second|minute|hour|day|week)s?|[KMGT]B|true|false", re.IGNORECASE)
_JSON = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.|(?!))*+"(?=\s*:))|(?P<string>"(?:[^"\\]|\\.|(?!))*+"?)'
    r"|(?P<reference>(?:!!?|\$)[^\s\"'`{}\[\](),=+&<>!$:/;]++)"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(?P<constant>true|false|null)",
    re.DOTALL,
)


class CommandLexer(Lexer):
    """Colours what is typed by the declarations in the registry.

    Parameters
    ----------
    registry : CommandRegistry
    names : NodeNames
    plain : callable or None
        Returns whether a text gets no colours.
    """

    def __init__(
        self,
        registry: CommandRegistry,
        names: NodeNames,
        plain: Callable[[str], bool] | None = None,
    ) -> None:
        self._registry = registry
        self._names = names
        self._plain = plain

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """Return what gives the coloured pieces of a line."""
        lines = document.lines
        text = document.text
        if len(text) > limits.MAX_STYLED_CHARS or (self._plain and self._plain(text)):
            return lambda number: [("", lines[number])] if number < len(lines) else []
        try:
            pieces = styled(
                text,
                self._registry,
                self._names.variables().keys(),
                self._names.environment().keys(),
            )
        except Exception as exc:
            # Colours are never worth the console.
            internal_error(exc)
            pieces = [("", text)]
        rows: list[StyleAndTextTuples] = [[]]
        for style, text in pieces:
            for number, line in enumerate(text.split("\n")):
                if number:
                    rows.append([])
                if line:
                    rows[-1].append((style, line))
        return lambda number: rows[number] if number < len(rows) else []


def styled(
    text: str,
    registry: CommandRegistry,
    variables: Collection[str],
    environment: Collection[str] = (),
) -> list[tuple[str, str]]:
    """Return the pieces of a text, each with the name of its style; joined they are the text.

    Parameters
    ----------
    variables, environment : collection of str
        Names that have a value: other references are marked as undefined.
    """
    tokens = scan(text)
    if not tokens:
        return [("", text)] if text else []
    reading = read_tokens(tokens, registry, unfinished=not text[-1:].isspace())
    parts = {part.start: part for part in reading.parts}
    found: list[tuple[str, str]] = []
    at = 0
    for token in tokens:
        if token.start > at:
            found.append(("", text[at : token.start]))
        part = parts.get(token.start)
        found.extend(_pieces(token, part, variables, environment))
        at = token.end
    if at < len(text):
        found.append(("", text[at:]))
    return found


# ------------------------------------------------------------------- parts


def _pieces(
    token: Token, part: Part | None, variables: Collection[str], environment: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield the pieces of one token."""
    style = _style(token, part)
    plain = token.kind in (Kind.WORD, Kind.QUOTED) and token.text[0] not in "'`"
    if token.kind is Kind.JSON:
        yield from _json(token.text, variables, environment)
        return
    if not plain or ("!" not in token.text and "$" not in token.text):
        yield style, token.text
        return
    at = 0
    for match in _REFERENCE.finditer(token.text):
        if match.start() and token.text[match.start() - 1] not in ':"':
            continue
        if match.start() > at:
            yield style, token.text[at : match.start()]
        yield _reference(match[0], match[1], match[2], variables, environment), match[0]
        at = match.end()
    if at < len(token.text):
        yield style, token.text[at:]


def _style(token: Token, part: Part | None) -> str:
    if part is not None and part.role is Role.WRONG:
        return "class:el.wrong"
    if token.kind is Kind.QUOTED:
        return "class:el.quoted"
    if part is None:
        return ""
    if part.role in (Role.VALUE, Role.TEXT) and token.kind is Kind.WORD:
        if part.role is Role.VALUE and _UNIT.fullmatch(token.text):
            return "class:el.unit"
        if _NUMBER.fullmatch(token.text):
            return "class:el.number"
    return f"class:el.{part.role.value}"


def _reference(
    text: str, mark: str, name: str, variables: Collection[str], environment: Collection[str]
) -> str:
    if mark == "!!":
        return "class:el.reference"  # the other node knows what it is
    known = environment if mark == "$" else variables
    name = name.rstrip(".") or name
    defined = name in known or name.rpartition(".")[0] in known
    return "class:el.reference" if defined else "class:el.undefined"


def _json(
    text: str, variables: Collection[str], environment: Collection[str]
) -> Iterator[tuple[str, str]]:
    at = 0
    for match in _JSON.finditer(text):
        if match.start() > at:
            yield "class:el.sign", text[at : match.start()]
        kind = match.lastgroup
        if kind == "reference":
            found = _REFERENCE.fullmatch(match[0])
            mark, name = found.groups() if found else ("!", "")
            yield _reference(match[0], mark, name, variables, environment), match[0]
        else:
            yield f"class:el.json.{kind}", match[0]
        at = match.end()
    if at < len(text):
        yield "class:el.sign", text[at:]
