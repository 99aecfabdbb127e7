"""Text in another language: shell commands and Python expressions, as they are written.

Nothing of it is interpreted here but references, and their values never become part of
the text: a name of its own stands for each, so that no value can change what the text
does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from edgelake.errors import EdgeLakeError, WrongValue
from edgelake.language.diagnostics import shortened
from edgelake.language.expansion import expand_item, expand_text, lookup
from edgelake.language.syntax import Item, Ref, RefKind, Word
from edgelake.language.values import ValueType
from edgelake.language.variables import Variables
from edgelake.language.words import REFERENCE, reference_of, split_word

__all__ = ["DOUBLE_QUOTED", "NAME_CHARS", "Source", "SourceValue", "parts"]

DOUBLE_QUOTED = r'"(?P<quoted>[^"\\]*+(?:\\.[^"\\]*+|(?!))*+)"'
"""Pattern of a text in double quotes; what is between them is the group ``quoted``."""

NAME_CHARS = r"[^\s\"'`{}\[\](),=+&<>!$:/;]++"
"""Pattern of the name in a reference, and of what touches it."""

_CUT = re.compile(r"\[(-?\d{1,9})?:(-?\d{1,9})?\]")
_SIGN = re.compile(r"\W")
_STEM = re.compile(r"(!!?|\$)\w*")
_MOST_ENDS = 64


class Source(ValueType):
    """Everything behind the name of a command, as it is written."""

    metavar = "<text>"
    greedy = True
    by_text = False

    def parse(self, text: str) -> Any:
        """Return what the text is without references."""
        return self.read(text, Variables())

    def take(self, items: Sequence[Item], variables: Variables) -> Any:
        """Return what the text is with the values of its references."""
        text = "".join(expand_item(item, variables, strict=True) for item in items)
        try:
            return self.read(text.rstrip(), variables)
        except EdgeLakeError as exc:
            if exc.offset is not None:
                exc.offset += items[0].start
            raise

    def read(self, text: str, variables: Variables) -> Any:
        """Return what a text is."""
        raise NotImplementedError


# ----------------------------------------------------------------- references


class SourceValue(NamedTuple):
    """A reference in a text: how it is written, its value, and what touches it in quotes."""

    shown: str
    value: str
    start: int
    rest: str = ""
    quoted: bool = False


def parts(
    text: str, pattern: re.Pattern[str], variables: Variables, begin: int = 0
) -> Iterator[str | SourceValue]:
    """Yield the text between references, and the references, in order.

    Raises
    ------
    UndefinedVariable
        With ``offset``.
    """
    at = begin
    while (match := pattern.search(text, at)) is not None:
        at = match.end()
        found: tuple[SourceValue, int] | None = None
        try:
            if match["reference"] is not None:
                found = _plain(match["reference"], text, match.start(), variables)
            elif match["quoted"] is not None:
                found = _quoted(match["quoted"], match.start() + 1, match.end(), variables)
        except EdgeLakeError as exc:
            exc.offset = match.start()
            raise
        if found is None:
            continue
        if match.start() > begin:
            yield text[begin : match.start()]
        yield found[0]
        begin = at = found[1]
    if begin < len(text):
        yield text[begin:]


def _plain(written: str, text: str, start: int, variables: Variables) -> tuple[SourceValue, int]:
    """Return a reference and where it ends: behind the longest name that has a value.

    ``!berth-1`` is the variable ``berth-1`` if there is one, else ``berth`` and ``-1``.

    Raises
    ------
    UndefinedVariable
    """
    for length in _ends(written):
        match = REFERENCE.fullmatch(written, 0, length)
        if match is None:
            continue
        reference = reference_of(match, 0)
        end = start + length if reference.cast else start + reference.end
        cut = _CUT.match(text, end) if not reference.cast else None
        if cut is not None:
            first, last = (int(bound) if bound else None for bound in cut.groups())
            reference = Ref(reference.kind, reference.name, 0, 0, "", (first, last))
            end = cut.end()
        value = lookup(reference, variables)
        if value is not None:
            return SourceValue(reference.shown, value, start), end
    stem = _STEM.match(written)
    assert stem is not None
    shown = stem[0] if len(stem[0]) > len(stem[1]) else written
    expand_item(split_word(shown, 0), variables, strict=True)  # raises: it has no value
    raise WrongValue(f"'{shortened(shown)}' is not a reference", hint="write !name")


def _ends(written: str) -> Iterator[int]:
    """Yield the lengths a reference may have, the longest first."""
    yield len(written)
    signs = [match.start() for match in _SIGN.finditer(written, 2)]
    yield from reversed(signs[-_MOST_ENDS:])


def _quoted(
    inner: str, start: int, end: int, variables: Variables
) -> tuple[SourceValue, int] | None:
    """Return the value of a text in double quotes that is one reference, else ``None``."""
    if inner[:1] != "!" or any(sign.isspace() for sign in inner):
        return None
    word = split_word(inner, 0)
    reference = word.pieces[0]
    if not isinstance(reference, Ref) or reference.kind is RefKind.ENVIRONMENT:
        return None
    rest = inner[reference.end :]
    if rest and not rest.startswith("/"):
        return None
    value = expand_text((Word((reference,), 0, reference.end),), variables, strict=True)
    return SourceValue(reference.shown, value, start, rest, quoted=True), end
