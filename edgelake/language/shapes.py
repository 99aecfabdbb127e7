"""The shape of a command: its text without the values, by which it is known again.

Two texts of one shape parse to the same statement but for words that stand for
themselves: names of commands and options, keywords and signs are the same in both,
and where one has a plain word, a quoted text or JSON, so has the other. A text
in which anything else means something (references, groups, a second command, a
comment, a tab) has no shape.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import islice, repeat
from typing import Generic, TypeVar

from edgelake import limits
from edgelake.language.plain import PLAIN_TEXT, quoted_words
from edgelake.language.registry import CommandRegistry
from edgelake.language.tree import WORD_OPERATORS

__all__ = ["JSON", "QUOTED", "VALUES", "Memory", "Shape", "ShapeReader"]

_T = TypeVar("_T")

Shape = tuple[str, ...]
"""What is the same in all texts of a shape, word by word."""

_KEYWORDS = ("and", "or", "where", "using", "not", "=")
QUOTED = '"'
JSON = "{"
_PLAIN = "x"
VALUES = frozenset({QUOTED, JSON, _PLAIN})
"""What stands in a shape for a word that is only a value."""

_MARKS = {QUOTED: QUOTED, JSON: JSON}
_PLAIN_ALWAYS = repeat(_PLAIN)
_NO_SHAPE: tuple[Shape, list[str]] = ((), [])


class ShapeReader:
    """Tells the shapes of texts. Thread-safe.

    Parameters
    ----------
    registry : CommandRegistry
        Words of its commands and options are part of a shape.
    """

    def __init__(self, registry: CommandRegistry) -> None:
        words: set[str] = {*_KEYWORDS, *WORD_OPERATORS}
        for command in registry:
            words.update(command.name.split(" "))
            words.update(option.key for option in command.options)
        # What looks like the mark of a value must not be taken for it.
        self._kept = {word: word if word != _PLAIN else f" {word}" for word in words}

    def read(self, text: str) -> tuple[Shape, list[str]]:
        """Return the shape and the words of a text, both empty if it has no shape.

        Quotes around words are removed.
        """
        if len(text) > limits.MAX_SHAPE_CHARS:
            return _NO_SHAPE
        if PLAIN_TEXT.fullmatch(text) is not None:
            words = text.split(" ")
            if len(words) > limits.MAX_SHAPE_WORDS:
                return _NO_SHAPE
            return tuple(map(self._kept.get, words, _PLAIN_ALWAYS)), words
        words = quoted_words(text)
        if not 0 < len(words) <= limits.MAX_SHAPE_WORDS:
            return _NO_SHAPE
        kept = self._kept
        shape = tuple([_MARKS.get(word[0]) or kept.get(word, _PLAIN) for word in words])
        return shape, [word[1:-1] if word[0] == QUOTED else word for word in words]


class Memory(Generic[_T]):
    """What is known about shapes, for the newest of them. Thread-safe.

    Parameters
    ----------
    most : int
        When there are as many, the older half is forgotten.
    """

    def __init__(self, most: int = limits.MAX_SHAPES) -> None:
        self._most = most
        self._known: dict[Shape, _T] = {}
        self._lock = threading.Lock()
        self.get: Callable[[Shape], _T | None] = self._known.get
        """Return what is known about a shape, ``None`` if nothing is."""

    def __len__(self) -> int:
        """Return of how many shapes something is known."""
        return len(self._known)

    def __contains__(self, shape: Shape) -> bool:
        """Return whether something, or that there is nothing, is known about a shape."""
        return shape in self._known

    def put(self, shape: Shape, known: _T) -> None:
        """Keep what is known about a shape."""
        with self._lock:
            if shape not in self._known and len(self._known) >= self._most:
                self._forget(list(islice(self._known, (self._most + 1) // 2)))
            self._known[shape] = known

    def _forget(self, shapes: Iterable[Shape]) -> None:
        for shape in shapes:
            del self._known[shape]
