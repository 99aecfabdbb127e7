"""JSON with its blanks put in order; what it says stays as it is, to the letter."""

from __future__ import annotations

import json
import re

from edgelake.language.words import REFERENCE

__all__ = ["tidy_json"]

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+|(?!))*+"|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)
_INDENT = "    "
_OPENING = ("{", "[")
_CLOSING = ("}", "]")


def tidy_json(source: str, indent: str = "") -> str:
    """Return JSON with single blanks; JSON over several lines with one member a line.

    Parameters
    ----------
    source : str
        Returned as it is if it is not plain JSON, or holds references.
    indent : str
        What stands before each line but the first.
    """
    if REFERENCE.search(source) or not _is_json(source):
        return source
    tokens = _TOKEN.findall(source)
    return _over_lines(tokens, indent) if "\n" in source else _in_line(tokens)


def _is_json(source: str) -> bool:
    try:
        json.loads(source)
    except (ValueError, RecursionError):
        return False
    return True


def _in_line(tokens: list[str]) -> str:
    return "".join(f"{token} " if token in (",", ":") else token for token in tokens)


def _over_lines(tokens: list[str], indent: str) -> str:
    parts: list[str] = []
    depth = 0
    before = ""
    for token in tokens:
        if token in _CLOSING:
            depth -= 1
            if before not in _OPENING:
                parts.append("\n" + indent + _INDENT * depth)
        elif before in _OPENING or before == ",":
            parts.append("\n" + indent + _INDENT * depth)
        parts.append(f"{token} " if token == ":" else token)
        if token in _OPENING:
            depth += 1
        before = token
    return "".join(parts)
