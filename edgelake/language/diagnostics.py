"""Errors as people read them: one line everywhere, with a caret on terminals."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

from edgelake.errors import EdgeLakeError

__all__ = ["format_error", "format_error_block", "nearest", "shortened"]

_NEAR_CHARS = 30
_LINE_CHARS = 160
_QUOTED_CHARS = 80
_LONG_WORD = re.compile(r"\S{257,}")


def shortened(text: str, most: int = _QUOTED_CHARS) -> str:
    """Return what somebody wrote as a message quotes it: at most so many characters, then …."""
    return text if len(text) <= most else f"{text[:most]}…"


def nearest(text: str, known: Iterable[str]) -> str | None:
    """Return the known text that was probably meant, ``None`` if none is like it.

    The only one that begins with the text is meant; else the one that is most like it.
    """
    by_folded = {one.casefold(): one for one in known}
    folded = text[:_QUOTED_CHARS].casefold()
    short = 0 < len(text) <= _QUOTED_CHARS
    begun = [one for one in by_folded if short and one.startswith(folded)]
    if len(begun) == 1:
        return by_folded[begun[0]]
    found = difflib.get_close_matches(folded, by_folded, n=1)
    return by_folded[found[0]] if found else None


def format_error(error: BaseException, text: str | None = None) -> str:
    """Return one line: ``error <code>: <what>: <where; what to write>``.

    Parameters
    ----------
    error : BaseException
        Errors from outside the tree of `edgelake.errors` count as code 3.
    text : str or None
        The command; its word at the fault is then quoted.
    """
    code = getattr(error, "code", EdgeLakeError.code)
    parts = [f"error {code}: {_one_line(str(error) or type(error).__name__)}"]
    advice = [part for part in (_where(error, text), getattr(error, "hint", None)) if part]
    if advice:
        parts.append("; ".join(_one_line(part) for part in advice))
    return ": ".join(parts)


def format_error_block(error: BaseException, text: str) -> str:
    """Return `format_error`, the faulty line of the text, and a caret under the fault.

    A fault in a script that the text ran is shown in the script's line.
    """
    shown = format_error(error)
    column = getattr(error, "column", None)
    excerpt = getattr(error, "excerpt", None)
    if excerpt is not None:
        line, column = excerpt
    elif column is not None:
        lines = text.split("\n")
        line = lines[min((getattr(error, "line", None) or 1), len(lines)) - 1].rstrip("\r")
    if column is None:
        return shown
    start = max(0, column - 1 - _LINE_CHARS // 2) if len(line) > _LINE_CHARS else 0
    part = line[start : start + _LINE_CHARS]
    part = "".join(c if c.isprintable() or c == "\t" else " " for c in part)
    before = part[: column - 1 - start].ljust(column - 1 - start)
    gap = "".join("\t" if c == "\t" else " " * _width(c) for c in before)
    return f"{shown}\n  {part}\n  {gap}^"


def _where(error: BaseException, text: str | None) -> str:
    column = getattr(error, "column", None)
    line = getattr(error, "line", None)
    if column is None:
        return "" if line is None else f"at line {line}"
    where = f"at column {column}" if line is None else f"at line {line}, column {column}"
    if text:
        lines = text.split("\n")
        rest = lines[min(line or 1, len(lines)) - 1][column - 1 :].split()
        if rest:
            where += f" near '{rest[0][:_NEAR_CHARS]}'"
    return where


def _one_line(text: str) -> str:
    """Return the text without line ends and without what would steer a terminal."""
    joined = " ".join(part.strip() for part in text.splitlines() if part.strip())
    # Paths stay whole; no word that a person reads is longer.
    joined = _LONG_WORD.sub(lambda found: shortened(found[0]), joined)
    return "".join(c if c.isprintable() else " " for c in joined)


def _width(char: str) -> int:
    """Return how many columns of a terminal a character takes."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
