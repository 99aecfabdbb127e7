"""From tokens to words: which of them touch, and where references stand inside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from edgelake.language.syntax import (
    Item,
    JsonItem,
    Literal,
    Mark,
    Piece,
    Quoted,
    Ref,
    RefKind,
    Word,
)

__all__ = ["MAKERS", "REFERENCE", "item_of", "join_touching", "reference_of", "split_word"]

CASTS = ("int", "float", "bool", "str", "len", "name", "diff", "replies")

# A reference stands at the start of a word or after a colon (``!ip:!port``).
REFERENCE = re.compile(r"(!!?|\$)([^\s\"'`{}\[\](),=+&<>!$:/;]+)")
_CUT = re.compile(r"\[(-?\d{1,9})?:(-?\d{1,9})?\]")
_NAME_WORD = re.compile(r"\S+")


def split_word(text: str, start: int) -> Word:
    """Return a word with its references found."""
    end = start + len(text)
    if "!" not in text and "$" not in text:
        return Word((Literal(text, start, end),), start, end)
    return Word(tuple(_pieces(text, start)), start, end)


def item_of(text: str, start: int) -> Word | Quoted:
    """Return the word that a text without blanks, or in double quotes, is."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _quoted(text, start)
    return split_word(text, start)


def reference_of(match: re.Match[str], start: int) -> Ref:
    """Return the reference that `REFERENCE` found; dots at its end are not part of it."""
    name = match[2].rstrip(".") or match[2]
    kind = RefKind(match[1])
    stem, dot, cast = name.rpartition(".")
    end = start + len(match[1]) + len(name)
    if dot and stem and cast in CASTS:
        return Ref(kind, stem, start, end, cast)
    return Ref(kind, name, start, end)


def join_touching(items: Sequence[Item], text: str) -> tuple[Item, ...]:
    """Return the items with words and brackets joined where nothing separates them.

    ``depth[3]``, ``[a][b]``, ``[ip]:[port]`` and ``!x[0:5]`` are one word each.
    """
    end = -1
    for item in items:
        if item.start == end:
            return _joined_items(items, text)
        end = item.end
    return tuple(items)


# ------------------------------------------------------------------- parts


def _joined_items(items: Iterable[Item], text: str) -> tuple[Item, ...]:
    joined: list[Item] = []
    run: list[Word | JsonItem] = []
    for item in items:
        if isinstance(item, Word) or (isinstance(item, JsonItem) and item.source[0] == "["):
            if run and run[-1].end != item.start:
                joined.append(_joined(run, text))
                run = []
            run.append(item)
        else:
            if run:
                joined.append(_joined(run, text))
                run = []
            joined.append(item)
    if run:
        joined.append(_joined(run, text))
    return tuple(joined)


def _mark(token: str, start: int) -> Mark:
    return Mark(token, start, start + len(token))


def _name(token: str, start: int) -> tuple[Word, ...]:
    """Return the words of a command's name, which are one token."""
    return tuple(split_word(m[0], start + m.start()) for m in _NAME_WORD.finditer(token))


def _quoted(token: str, start: int) -> Quoted:
    inner, quote, end = token[1:-1], token[0], start + len(token)
    word = None
    if quote == '"' and inner[:1] in ("!", "$") and not any(c.isspace() for c in inner):
        found = split_word(inner, start + 1)
        if isinstance(found.pieces[0], Ref) and not any(
            isinstance(piece, Literal) and not piece.text.startswith("/")
            for piece in found.pieces[1:]
        ):
            word = found
    return Quoted(inner, quote, start, end, word)


def _pieces(text: str, start: int) -> Iterator[Piece]:
    begin = 0
    position = 0
    while position < len(text):
        match = REFERENCE.match(text, position)
        if match is None:
            colon = text.find(":", position)
            position = colon + 1 if colon >= 0 else len(text)
            continue
        if match.start() > begin:
            yield Literal(text[begin : match.start()], start + begin, start + match.start())
        reference = reference_of(match, start + match.start())
        yield reference
        begin = position = reference.end - start
    if begin < len(text):
        yield Literal(text[begin:], start + begin, start + len(text))


def _joined(run: Sequence[Word | JsonItem], text: str) -> Item:
    """Return the one word that touching words and brackets are."""
    if len(run) == 1:
        return run[0]
    pieces: list[Piece] = []
    for item in run:
        last = pieces[-1] if pieces else None
        if isinstance(item, JsonItem) and isinstance(last, Ref) and last.cut is None:
            cut = _CUT.fullmatch(item.source)
            if cut is not None:
                first, second = (int(bound) if bound else None for bound in cut.groups())
                pieces[-1] = Ref(
                    last.kind, last.name, last.start, item.end, last.cast, (first, second)
                )
                continue
        pieces += _as_pieces(item)
    return Word(tuple(_merged(pieces, text)), run[0].start, run[-1].end)


def _merged(pieces: Sequence[Piece], text: str) -> Iterator[Piece]:
    """Yield the pieces with literal text in a row made one."""
    start = end = -1
    for piece in pieces:
        if isinstance(piece, Literal):
            start = piece.start if start < 0 else start
            end = piece.end
            continue
        if start >= 0:
            yield Literal(text[start:end], start, end)
            start = -1
        yield piece
    if start >= 0:
        yield Literal(text[start:end], start, end)


def _as_pieces(item: Word | JsonItem) -> tuple[Piece, ...]:
    if isinstance(item, Word):
        return item.pieces
    return (Literal(item.source, item.start, item.end),)


def _source(token: str, start: int) -> Word:
    """Return text in another language as one word, whatever is in it."""
    end = start + len(token)
    return Word((Literal(token, start, end),), start, end)


MAKERS: Mapping[str, Callable[[str, int], Any]] = {
    "SOURCE_TEXT": _source,
    **dict.fromkeys(("FREE", "SOURCE", "REMOTE", "VERB"), _name),
    **dict.fromkeys(("IF", "BRANCH", "WAIT", "SCHEDULE"), _name),
    **dict.fromkeys(("AND", "OR", "WHERE", "USING", "BRING", "PORT"), split_word),
    **dict.fromkeys(("THEN", "FOR", "TASK", "POINT"), split_word),
    **dict.fromkeys(("WORD", "GROUP_WORD", "REFERENCE", "GROUP_REFERENCE"), split_word),
    **dict.fromkeys(("DOUBLE_QUOTED", "SINGLE_QUOTED", "BACK_QUOTED"), _quoted),
    **dict.fromkeys(("EQUALS", "COMPARISON", "PLUS", "COMMA", "AMPERSAND"), _mark),
    **dict.fromkeys(("LEFT_PAREN", "LEFT_BRACKET", "LEFT_BRACE"), _mark),
    **dict.fromkeys(("RIGHT_PAREN", "RIGHT_BRACKET", "RIGHT_BRACE"), _mark),
}
"""What each terminal of the grammar makes of its text and its place."""
