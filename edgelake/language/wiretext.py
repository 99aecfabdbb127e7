"""Commands as they travel between nodes, in both directions.

Words are separated by one blank; JSON keeps its blanks. Where the receiver takes a tab
for a blank inside a word, blanks travel so, and double quotes stay at home; elsewhere a tab
separates words, and a text that could be taken for several travels in double quotes.
Source: ``docs/protocol.md``, "Command text".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edgelake import limits
from edgelake.errors import CommandSyntaxError, UnbalancedInput
from edgelake.language.expansion import expand_item
from edgelake.language.places import check_size
from edgelake.language.plain import is_simple
from edgelake.language.scan import json_end
from edgelake.language.syntax import Item, JsonItem, Quoted, Word
from edgelake.language.variables import Variables

__all__ = ["from_wire", "remote_text"]

WORD_FAMILIES = frozenset({"get", "query", "test", "event", "print", "echo", "file"})
"""First words of commands in which a tab stands for a blank inside a word."""

_TEXT_FAMILIES = frozenset({"print", "echo", "file", "event"})
"""Of these, commands without options, where an operator inside a word is part of it."""

_UNQUOTED_FAMILIES = frozenset({"sql"})
"""Commands whose last part is one text without quotes."""

_BLANK = re.compile(r"\s")
_BLANKS = re.compile(r"\s+")
_ODD_BLANK = re.compile(r"[^\S ]")
_QUOTED = re.compile(r'"[^"]*+"(?=\s|$)')
_RISKY = re.compile(r"[\s&]|^#")
_RISKY_TEXT = re.compile(r"[\s&=<>+(){}\[\]]|^[#'`]|^(and|or|where|using|bring\b.*)$")
_PLAIN_WORD = r"(?!(?:and|or|where|using)(?: |$)|bring\b)[\w./:-]++"
_PLAIN_TEXT = re.compile(f"{_PLAIN_WORD}(?: {_PLAIN_WORD}|(?!))*+", re.ASCII)
_OPERATOR = re.compile(r"[=!<>]=|[=<>+]")
_WORD = re.compile(r"[^ \t\r\n]++")
_WORD_WITH_TABS = re.compile(r"[^ \r\n]++")
_NO_BLANKS_OR_TABS = re.compile(r"[^ \t\r\n]")
_NO_BLANKS = re.compile(r"[^ \r\n]")
_BETWEEN_BRACKETS = re.compile(r":?(?=\[)")
_JSON_STARTS = ("{", "[{", '["')
_MOST_UNCLOSED_CHARS = 64 * 1024
_SHOWN_CHARS = 40


def remote_text(words: Sequence[Item], variables: Variables) -> str:
    """Return a command as it is sent to another node.

    ``!x`` is replaced by the value here, ``!!x`` becomes ``!x`` for the receiver.

    Raises
    ------
    UndefinedVariable
        A reference has no value here.
    CommandSyntaxError
        A value must travel in double quotes and holds one.
    """
    first = words[0]
    family = first.literal if isinstance(first, Word) else None
    tabs = family in WORD_FAMILIES or family in _UNQUOTED_FAMILIES
    return " ".join(filter(None, (_travelling(word, variables, tabs=tabs) for word in words)))


def from_wire(text: str) -> str:
    """Return the command to parse for a text that a peer sent.

    A word that holds blanks, ``&``, or a ``#`` in front is quoted again, so that it
    stays one word whatever the sender put into it.

    Raises
    ------
    CommandSyntaxError
        Such a word also holds a double quote, which no quoting can carry; or the text
        exceeds `limits.MAX_REMOTE_COMMAND_CHARS` or `limits.MAX_REMOTE_COMMAND_TOKENS`.
    UnbalancedInput
        More than `limits.MAX_NESTING` brackets are inside one another.
    """
    check_size(text, limits.MAX_REMOTE_COMMAND_CHARS)
    if _is_spoken(text):
        return text
    first = _BLANKS.split(text.strip(), maxsplit=1)[0]
    by_blank = first in WORD_FAMILIES
    spoken: list[str] = []
    for word in _split(text, by_blank=by_blank):
        if len(spoken) >= limits.MAX_REMOTE_COMMAND_TOKENS:
            raise CommandSyntaxError(
                f"a command exceeds {limits.MAX_REMOTE_COMMAND_TOKENS} words", column=1
            )
        spoken.append(_spoken(word, first))
    return " ".join(spoken)


# ----------------------------------------------------------------- sending


def _travelling(word: Item, variables: Variables, *, tabs: bool) -> str:
    text = expand_item(word, variables, strict=True)
    value = _is_value(word)
    if _is_json(text) if value else isinstance(word, JsonItem) or text.startswith(_JSON_STARTS):
        return _ODD_BLANK.sub(" ", text)
    if tabs or not value:
        return _BLANK.sub("\t", text)
    if text and _RISKY_TEXT.search(text) is None:
        return text
    if '"' in text:
        raise _unquotable(text)
    return f'"{_ODD_BLANK.sub(" ", text)}"'


def _is_json(text: str) -> bool:
    """Return whether a text is one object or list, and nothing behind it."""
    text = text.strip()
    if not text.startswith(_JSON_STARTS):
        return False
    try:
        return json_end(text, 0) == len(text)
    except UnbalancedInput:
        return False


def _is_value(word: Item) -> bool:
    """Return whether a word is a text that stands for itself, whatever is in it."""
    if isinstance(word, Quoted):
        return word.word is not None or word.quote == '"'
    return isinstance(word, Word) and word.literal is None


# --------------------------------------------------------------- receiving


def _is_spoken(text: str) -> bool:
    """Return whether a text is surely written as a command already, which most are."""
    if (
        len(text) > limits.MAX_SHAPE_CHARS
        or "\t" in text
        or text.count(" ") >= limits.MAX_REMOTE_COMMAND_TOKENS
    ):
        return False
    if text.partition(" ")[0] in _TEXT_FAMILIES:
        # None of its words needs quotes: so the polls of followers are.
        return _PLAIN_TEXT.fullmatch(text) is not None
    return is_simple(text)


def _split(text: str, *, by_blank: bool) -> Iterator[str]:
    """Yield the words of a received text; JSON and quoted words stay whole."""
    word = _WORD_WITH_TABS if by_blank else _WORD
    blanks = _NO_BLANKS if by_blank else _NO_BLANKS_OR_TABS
    unclosed_chars = 0
    at = 0
    while (found := blanks.search(text, at)) is not None:
        at, end = found.start(), 0
        quoted = _QUOTED.match(text, at)
        if quoted is not None:
            end = quoted.end()
        elif text[at] in "{[" and unclosed_chars < _MOST_UNCLOSED_CHARS:
            # Each bracket that is not closed costs a look at all that follows.
            closed = json_end(text, at)
            while closed is not None:
                end = closed
                touching = _BETWEEN_BRACKETS.match(text, end) if text[at] == "[" else None
                if touching is None:
                    break  # else it is a path: [a][b], [a]:[b]
                closed = json_end(text, touching.end())
            if closed is None:
                unclosed_chars += len(text) - at
        if not end:  # only now: JSON that touches JSON would be read again and again
            match = word.match(text, at)
            assert match is not None
            end = match.end()
        yield text[at:end]
        at = end


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
        raise _unquotable(plain)
    return f'"{plain}"'


def _unquotable(text: str) -> CommandSyntaxError:
    shown = text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
    return CommandSyntaxError(
        f"the word '{shown}' holds a double quote and cannot be quoted",
        hint="leave the double quote out",
    )
