"""How deep JSON of callers is nested, counted before it is read."""

from __future__ import annotations

import re

from edgelake import limits
from edgelake.errors import BadJson

__all__ = ["check_nesting"]

# Strings are taken whole, closed or not, so that nothing is looked at twice.
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def check_nesting(text: str) -> None:
    """Refuse JSON that is nested deeper than `limits.MAX_NESTING`.

    The reader of JSON uses the stack of the machine for each level.

    Raises
    ------
    BadJson
    """
    depth = 0
    for match in _STRUCTURE.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth > limits.MAX_NESTING:
                raise BadJson("the JSON of the body is nested too deep")
        elif match[0] in "]}":
            depth -= 1
