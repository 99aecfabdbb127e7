"""Words and signs of a text that a person is typing: any text is read, nothing is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from edgelake import limits
from edgelake.errors import EdgeLakeError
from edgelake.language.scan import json_end

__all__ = ["Kind", "Token", "scan"]


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    QUOTED = "quoted"
    JSON = "json"
    MARK = "mark"
    COMMENT = "comment"
    BLOCK = "block"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """A word or sign, and where it stands.

    Attributes
    ----------
    start, end : int
        Offsets in the text, from 0.
    depth : int
        Parentheses around it; a parenthesis counts as inside itself.
    closed : bool
        Whether a quoted text or JSON has its end.
    """

    kind: Kind
    text: str
    start: int
    end: int
    depth: int = 0
    closed: bool = True

    @property
    def plain(self) -> bool:
        """Whether it is a word without references."""
        return self.kind is Kind.WORD and "!" not in self.text and "$" not in self.text

    @property
    def value(self) -> str:
        """The text as a value has it: without double quotes."""
        if self.kind is Kind.QUOTED and self.text[0] == '"':
            return self.text[1:-1] if self.closed else self.text[1:]
        return self.text


def _pattern(*, block: bool, group: bool) -> re.Pattern[str]:
    line = "" if block else r"\n"
    ends = "()," if group else ""
    within = r"\([^\s()\"]*+\)|" if group else ""
    comma = "" if group else "|,"
    return re.compile(
        r"(?P<blank>[^\S\n]++)"
        r"|(?P<newline>\n)"
        r"|(?P<comment>(?<!\S)\#[^\n]*+)"
        rf"|(?P<quoted>\"[^\"{line}]*+\"?|'[^'{line}]*+'?|`[^`{line}]*+`?)"
        r"|(?P<word>->(?=\s|$)"
        rf"|(?:!!?|\$)(?!=)[^\s\"{{}}\[\]=+&<>!{ends}]*+(?:![^\s\"{{}}\[\]=+&<>!{ends}]++|(?!))*+"
        rf"|(?:[^\s\"'`{{}}\[\](),=+&<>!$]{comma})"
        rf"(?:\"[^\"\n]*+\"|{within}[^\s\"{{}}\[\]=+&<>!{ends}]++|\"|!(?!=)|(?!))*+)"
        r"|(?P<mark>[=!<>]=|.)"
    )


_PATTERNS = {
    (block, group): _pattern(block=block, group=group)
    for block in (False, True)
    for group in (False, True)
}
_BLOCK = re.compile(r"[^\S\n]*+<")
_BLOCK_END = re.compile(r">[^\S\n]*+(?:\n|\Z)")


def scan(text: str) -> list[Token]:
    """Return the words and signs of a text, which may end anywhere.

    A line ends a command (`Kind.END`), as ``&`` does, except in a block ``<`` … ``>``
    and in JSON. A text above `limits.MAX_STYLED_CHARS` has no tokens.
    """
    if len(text) > limits.MAX_STYLED_CHARS:
        return []
    found: list[Token] = []
    depth, at, block = 0, 0, False
    fresh = True
    while at < len(text):
        if fresh:
            fresh = False
            if opening := _BLOCK.match(text, at):
                block = True
                found.append(Token(Kind.BLOCK, "<", opening.end() - 1, opening.end()))
                at = opening.end()
                continue
        if block and _BLOCK_END.match(text, at):
            block, depth = False, 0
            found.append(Token(Kind.BLOCK, ">", at, at + 1))
            at += 1
            continue
        if text[at] in "{[":
            end, closed = _json(text, at)
            found.append(Token(Kind.JSON, text[at:end], at, end, depth, closed))
            at = end
            continue
        match = _PATTERNS[block, depth > 0].match(text, at)
        assert match is not None  # the last alternative takes any sign
        start, at = at, match.end()
        part = match[0]
        if match["newline"]:
            if not block:
                found.append(Token(Kind.END, part, start, at))
                depth, fresh = 0, True
        elif match["comment"]:
            found.append(Token(Kind.COMMENT, part, start, at, depth))
        elif match["quoted"]:
            closed = len(part) > 1 and part[-1] == part[0]
            found.append(Token(Kind.QUOTED, part, start, at, depth, closed))
        elif match["word"]:
            found.append(Token(Kind.WORD, part, start, at, depth))
        elif match["mark"]:
            if part == "(":
                depth += 1
            kind = Kind.END if part == "&" and not depth else Kind.MARK
            found.append(Token(kind, part, start, at, depth))
            if part == ")" and depth:
                depth -= 1
    return found


def _json(text: str, start: int) -> tuple[int, bool]:
    """Return where JSON ends, and whether anything closes it."""
    try:
        end = json_end(text, start)
    except EdgeLakeError:
        end = None
    return (len(text), False) if end is None else (end, True)
