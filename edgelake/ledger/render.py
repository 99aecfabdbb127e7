"""Policies as text: for people at a console, and as answers to other nodes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from edgelake.ledger.policy import Policy, literal

__all__ = ["layout", "pretty", "python_text"]

# Below long names an indented text would grow with the square of its length.
_MAX_INDENT = 160


def pretty(policies: Iterable[Policy]) -> str:
    """Return policies as valid JSON, one attribute a line, in the console's layout.

    ::

        [{"device" : {"name" : "d1",
                      "level" : 3}},
         {"device" : {"name" : "d2"}}]
    """
    return layout([policy.content() for policy in policies])


def layout(data: Any) -> str:
    """Return JSON data in that layout."""
    return _shown(data, 0)


def python_text(policies: Iterable[Policy]) -> str:
    """Return policies in the notation of replies to ``blockchain get``.

    Single quotes and ``True``, ``False``, ``None``, as existing nodes answer:
    ``[{'device': {'name': 'd1'}}]``.

    Notes
    -----
    Source: ``docs/protocol.md``, "Replies".
    """
    return literal([policy.content() for policy in policies])


def _shown(value: Any, column: int) -> str:
    """Return the value as text whose later lines begin below ``column``."""
    if column > _MAX_INDENT:
        return json.dumps(value, ensure_ascii=False)
    separator = ",\n" + " " * (column + 1)
    if isinstance(value, dict):
        parts = []
        for key, item in value.items():
            head = json.dumps(key, ensure_ascii=False) + " : "
            parts.append(head + _shown(item, column + 1 + len(head)))
        return "{" + separator.join(parts) + "}"
    if isinstance(value, list):
        return "[" + separator.join(_shown(item, column + 1) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
