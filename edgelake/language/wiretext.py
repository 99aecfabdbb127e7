"""Commands as they travel between nodes, in both directions.

Words are separated by one blank; a blank inside a word travels as a tab, and
the double quotes around it stay at home; JSON keeps its blanks.
Source: ``docs/protocol.md``, "Command text".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edgelake.errors import CommandSyntaxError
from edgelake.language.syntax import Item, JsonItem
from edgelake.language.variables import Variables, expand_item

__all__ = ["from_wire", "remote_text"]

WORD_FAMILIES = frozenset({"get", "query", "test", "event", "print", "echo", "file"})
"""First words of commands in which a tab stands for a blank inside a word."""

_TEXT_FAMILIES = frozenset({"print", "echo", "file", "event"})
"""Of these, commands without options, where an operator inside a word is part of it."""

_BLANK = re.compile(r"\s")
_BLANKS = re.compile(r"\s+")
_ODD_BLANK = re.compile(r"[^\S ]")
_QUOTED = re.compile(r'"[^"]*"(?=\s|$)')
_RISKY = re.compile(r"[\s&]|^#")
_RISKY_TEXT = re.compile(r"[\s&=<>+(){}\[\]]|^[#'`]|^(and|or|where|using|bring\b.*)$")
_OPERATOR = re.compile(r"[=!<>]=|[=<>+]")
_JSON_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^"{}\[\]]+|"', re.DOTALL)


def remote_text(words: Sequence[Item], variables: Variables) -> str:
    """Return a command as it is sent to another node.

    ``!x`` is replaced by the value here, ``!!x`` becomes ``!x`` for the receiver.

    Raises
    ------
    UndefinedVariable
        A reference has no value here.
    """
    return " ".join(filter(None, (_travelling(word, variables) for word in words)))


def from_wire(text: str) -> str:
    """Return the command to parse for a text that a peer sent.

    A word that holds blanks, ``&``, or a ``#`` in front is quoted again, so that it
    stays one word whatever the sender put into it.

    Raises
    ------
    CommandSyntaxError
        Such a word also holds a double quote, which no quoting can carry.
    """
    first = _BLANKS.split(text.strip(), maxsplit=1)[0]
    by_blank = first in WORD_FAMILIES
    return " ".join(_spoken(word, first) for word in _split(text, by_blank=by_blank))


# ----------------------------------------------------------------- sending


def _travelling(word: Item, variables: Variables) -> str:
    text = expand_item(word, variables, strict=True)
    if isinstance(word, JsonItem) or text.startswith(("{", "[{", '["')):
        return _ODD_BLANK.sub(" ", text)
    return _BLANK.sub("\t", text)


# --------------------------------------------------------------- receiving


def _split(text: str, *, by_blank: bool) -> Iterator[str]:
    """Yield the words of a received text; JSON and quoted words stay whole."""
    at = 0
    blanks = " \r\n" if by_blank else " \t\r\n"
    while at < len(text):
        if text[at] in blanks:
            at += 1
            continue
        quoted = _QUOTED.match(text, at)
        end = quoted.end() if quoted else _json_end(text, at)
        if end is None:
            end = at
            while end < len(text) and text[end] not in blanks:
                end += 1
        yield text[at:end]
        at = end


def _json_end(text: str, start: int) -> int | None:
    """Return where the JSON that starts here ends, ``None`` if there is none."""
    if text[start] not in "{[":
        return None
    depth = 0
    for match in _JSON_PART.finditer(text, start):
        if match[0] in ("{", "["):
            depth += 1
        elif match[0] in ("}", "]"):
            depth -= 1
            if depth == 0:
                return match.end()
    return None


def _spoken(word: str, family: str) -> str:
    """Return a received word as it is written in a command."""
    if word[0] in "{[" and word[-1] in "}]":
        return word
    if _QUOTED.fullmatch(word):
        return word.replace("\t", " ")
    plain = word.replace("\t", " ")
    if plain[0] in "('`" and plain[-1] == {"(": ")"}.get(plain[0], plain[0]) and len(plain) > 1:
        return plain
    pattern = _RISKY_TEXT if family in _TEXT_FAMILIES else _RISKY
    risky = pattern.search(plain) and not _OPERATOR.fullmatch(plain)
    if not risky:
        return plain
    if '"' in plain:
        raise CommandSyntaxError(
            f"the word '{plain}' holds a double quote and cannot be quoted",
            hint="leave the double quote out",
        )
    return f'"{plain}"'
