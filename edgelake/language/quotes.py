"""JSON as people and other nodes write it besides: with single quotes.

Scripts of existing nodes hold policies with ``'name': 'fen-01'``, and existing nodes
answer in that notation, with ``True``, ``False`` and ``None``. It is read token by token:
a text in double quotes is never touched.
"""

from __future__ import annotations

import json
import re

__all__ = ["double_quoted"]

# What nothing closes goes on to the end, so that it is looked for once.
_TOKEN = re.compile(
    r""""[^"\\]*+(?:\\.[^"\\]*+|(?!))*+(?:"|\\?\Z)"""
    r"""|'(?P<text>[^'\\]*+(?:\\.[^'\\]*+|(?!))*+)(?P<end>'|\\?\Z)"""
    r"""|(?<![\w!$.])(?P<word>True|False|None)(?![\w.])""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_PLAIN = "'\"\\/"
_WORDS = {"True": "true", "False": "false", "None": "null"}


def double_quoted(source: str) -> str:
    """Return JSON whose texts in single quotes have double ones.

    What is no JSON even then stays none.
    """
    changed = False

    def replaced(match: re.Match[str]) -> str:
        nonlocal changed
        if match["word"] is not None:
            return _WORDS[match["word"]]
        if match["text"] is None or match["end"] != "'":
            return match[0]
        changed = True
        return json.dumps(_ESCAPE.sub(_unescaped, match["text"]), ensure_ascii=False)

    found = _TOKEN.sub(replaced, source)
    return found if changed else source


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code is not None:
        number = int(code, 16)
        return chr(number) if number <= 0x10FFFF else match[0]
    letter = match[4]
    return _SIMPLE.get(letter) or (letter if letter in _PLAIN else match[0])
