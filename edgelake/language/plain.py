"""Texts that hold nothing but simple words, one blank between two.

A simple word stands for itself wherever the grammar takes a word: it is a plain word,
a free-standing ``=``, a double-quoted text that is no reference, or an object in JSON.
Most commands are such texts, and a look at them is cheap.
"""

from __future__ import annotations

import re

from edgelake.language.scan import SHALLOW_OBJECT

__all__ = ["PLAIN_TEXT", "is_simple", "quoted_words"]

# Words that begin with `bring` are left out: there are too many keywords among them.
_WORD = r"(?!bring)[A-Za-z0-9_./:-]++"
PLAIN_TEXT = re.compile(rf"{_WORD}(?: (?:=(?![^ ])|{_WORD})|(?!))*+")
"""A text of plain words and free-standing ``=`` alone: its words are what blanks separate."""

_SIMPLE_WORD = re.compile(rf'=(?![^ ])|{_WORD}|"(?![!$])[^"]*+"|{SHALLOW_OBJECT}', re.DOTALL)
_SIMPLE = re.compile(
    rf"(?:{_SIMPLE_WORD.pattern})(?: (?:{_SIMPLE_WORD.pattern})|(?!))*+",
    re.DOTALL,
)


def is_simple(text: str) -> bool:
    """Return whether a text holds nothing but simple words, one blank between two."""
    return PLAIN_TEXT.fullmatch(text) is not None or _is_quoted(text)


def quoted_words(text: str) -> list[str]:
    """Return the words of a text as they are written; none if it is plain or not simple."""
    return _SIMPLE_WORD.findall(text) if _is_quoted(text) else []


def _is_quoted(text: str) -> bool:
    return ('"' in text or "{" in text) and _SIMPLE.fullmatch(text) is not None
