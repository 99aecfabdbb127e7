"""How deep JSON of others is nested, counted before it is read."""

from __future__ import annotations

import re

from edgelake import limits

__all__ = ["too_deep"]

# Strings are taken whole, so that brackets in them do not count.
# A string that is not closed is one, too: nothing is looked at twice.
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.|(?!))*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def too_deep(text: str, start: int = 0) -> int | None:
    """Return where the value that begins at `start` is nested deeper than may be.

    The reader of JSON uses the stack of the machine for each level, and a program in this
    process may have raised the limit by which Python guards it.

    Parameters
    ----------
    text : str
        JSON, or what pretends to be.
    start : int
        Index of the value's first character.

    Returns
    -------
    int or None
        Index of the first bracket beyond `limits.MAX_NESTING`; ``None`` if there is none.
    """
    depth = 0
    for match in _STRUCTURE.finditer(text, start):
        if match[0] in "[{":
            depth += 1
            if depth > limits.MAX_NESTING:
                return match.start()
        elif match[0] in "]}":
            depth -= 1
            if depth <= 0:
                break
    return None
