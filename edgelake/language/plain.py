"""Texts that hold nothing but simple words, one blank between two.

A simple word stands for itself wherever the grammar takes a word: it is a plain word,
a free-standing ``=``, a double-quoted text that is no reference, or an object in JSON.
Most commands are such texts, and a look at them is cheap.
"""

from __future__ import annotations

import re

from edgelake.language.scan import SHALLOW_OBJECT

__all__ = ["is_simple", "simple_words"]

# Words that begin with `bring` are left out: there are too many keywords among them.
_WORD = r"(?!bring)[A-Za-z0-9_./:-]++"
_PLAIN = re.compile(rf"{_WORD}(?: (?:=(?![^ ])|{_WORD}))*+")
_SIMPLE_WORD = re.compile(rf'=(?![^ ])|{_WORD}|"(?![!$])[^"]*+"|{SHALLOW_OBJECT}', re.DOTALL)
_SIMPLE = re.compile(
    rf"(?:{_SIMPLE_WORD.pattern})(?: (?:{_SIMPLE_WORD.pattern}))*+",
    re.DOTALL,
)


def is_simple(text: str) -> bool:
    """Return whether a text holds nothing but simple words, one blank between two."""
    if _PLAIN.fullmatch(text) is not None:
        return True
    return ('"' in text or "{" in text) and _SIMPLE.fullmatch(text) is not None


def simple_words(text: str) -> list[str]:
    """Return the words of a text as they are written; none if it is not simple."""
    if _PLAIN.fullmatch(text) is not None:
        return text.split(" ")
    if ('"' in text or "{" in text) and _SIMPLE.fullmatch(text) is not None:
        return _SIMPLE_WORD.findall(text)
    return []
