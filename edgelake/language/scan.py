"""Walks over text that may be hostile: strings and brackets, in time that grows with its length.

The patterns here and in the grammar are possessive: what they took they keep,
so no text makes them try again. Those of groups end with ``|(?!)``, which takes nothing and
never holds: Python before 3.11.5 does not go back to where a repetition began that fails
halfway (python/cpython#106052), but does so before it tries one more alternative.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgelake import limits
from edgelake.errors import UnbalancedInput
from edgelake.language.places import place

__all__ = ["SHALLOW_OBJECT", "SOURCE_TEXT", "json_end", "parts", "too_deep"]

_CLOSING = {"[": "]", "{": "}"}
_SKIPPED_DEPTH = 3


def _balanced(depth: int) -> str:
    """Return the pattern of JSON with brackets inside brackets up to a depth."""
    inside = r'[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+|(?!))*+"'
    if depth:
        deeper = _balanced(depth - 1)
        inside += rf"|\{{{deeper}\}}|\[{deeper}\]"
    return f"(?:{inside}|(?!))*+"


# Most JSON is flat inside: one match takes it, a step of the loop only the few outer brackets.
_SKIP_SHALLOW = re.compile(_balanced(_SKIPPED_DEPTH), re.DOTALL)
_SKIP_FLAT = re.compile(_balanced(0), re.DOTALL)

SHALLOW_OBJECT = rf"\{{{_balanced(_SKIPPED_DEPTH)}\}}"
"""Pattern of what `json_end` takes for an object, if brackets in it are few; needs ``DOTALL``."""


_QUOTED = r"""'[^']*+'|"[^"\\]*+(?:\\[\s\S][^"\\]*+|(?!))*+"|`[^`]*+`|\\[\s\S]"""


def _bracketed(depth: int) -> str:
    """Return the pattern of brackets with brackets inside brackets up to a depth."""
    inside = rf"""[^"'`\\(){{}}\[\]]++|{_QUOTED}"""
    if depth:
        inside += f"|{_bracketed(depth - 1)}"
    return rf"[({{\[](?:{inside}|(?!))*+[)}}\]]"


_SOURCE_PIECE = (
    rf"{_QUOTED}|{_bracketed(_SKIPPED_DEPTH)}|&&|&(?=>)|(?<=[<>|])&"
    r"""|(?!(?<=\s)\#)[^\s&"'`\\(){}\[\]]++|["'`\\(){}\[\]]"""
)
_INNER_COMMENT = r"(?<=\s)#[^\n]*+(?=\n\s*+[^\s&])"
SOURCE_TEXT = rf"(?![#&\s])(?:{_SOURCE_PIECE})(?:\s*+(?:{_INNER_COMMENT}|{_SOURCE_PIECE})|(?!))*+"
"""Pattern of text in another language, to be handed on as it is written.

It ends before a comment that nothing follows, and before an ``&`` that stands outside quotes,
comments and brackets (counted a few deep) and is no part of ``&&``, ``>&``, ``<&``, ``|&``
or ``&>``.
"""


def json_end(text: str, start: int, *, outer: int = 0) -> int | None:
    """Return where the JSON ends that a bracket or brace begins.

    Parameters
    ----------
    start : int
        Where the bracket stands, from 0.
    outer : int
        Brackets that are open around it.

    Returns
    -------
    int or None
        One past its closing bracket; ``None`` if the brackets or quotes do not match.

    Raises
    ------
    UnbalancedInput
        More than `limits.MAX_NESTING` brackets are inside one another.
    """
    closers: list[str] = []
    at = start
    while at < len(text):
        sign = text[at]
        if sign in _CLOSING:
            closers.append(_CLOSING[sign])
            if outer + len(closers) > limits.MAX_NESTING:
                raise too_deep(text, at)
        elif closers and sign == closers[-1]:
            closers.pop()
            if not closers:
                return at + 1
        else:
            return None
        room = limits.MAX_NESTING - outer - len(closers)
        skip = _SKIP_SHALLOW if room >= _SKIPPED_DEPTH else _SKIP_FLAT
        found = skip.match(text, at + 1)
        assert found is not None  # it matches nothing at least
        at = found.end()
    return None


def too_deep(text: str, offset: int) -> UnbalancedInput:
    """Return the error for a bracket inside too many others."""
    message = f"brackets inside brackets more than {limits.MAX_NESTING} deep"
    return place(UnbalancedInput(message), text, offset)


def parts(
    text: str, pattern: re.Pattern[str], without_strings: re.Pattern[str]
) -> Iterator[re.Match[str]]:
    """Yield the matches of a pattern whose group ``lone`` is a quote that nothing closes.

    Behind such a quote there is no closed string either: any later quote that
    could close one would have closed this one. So strings are not tried again.
    """
    for match in pattern.finditer(text):
        if match["lone"] is not None:
            yield from without_strings.finditer(text, match.end())
            return
        yield match
