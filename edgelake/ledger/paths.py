"""Values inside policies and other JSON objects: found by paths, shown as text, put in order.

Paths are walked, never evaluated; what is not there is `MISSING`, and no error.
"""

from __future__ import annotations

import json
import re
from typing import Any

from edgelake.interfaces import BringCut, BringPath, BringStep
from edgelake.ledger.policy import literal

__all__ = [
    "MISSING",
    "address_of",
    "body_of",
    "first_of",
    "is_policy",
    "json_of",
    "number_of",
    "rank_of",
    "text_of",
]

MISSING: Any = object()
"""Stands for a value that is not there; ``None`` is JSON's null."""

_INDEX = re.compile("[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(\.[0-9]{0,300})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]")


def body_of(value: Any) -> dict[str, Any]:
    """Return the body of a policy, the object itself if it is none, or nothing."""
    if not isinstance(value, dict):
        return {}
    if len(value) == 1:
        (body,) = value.values()
        if isinstance(body, dict):
            return body
    return value


def is_policy(value: Any) -> bool:
    """Return whether a value has the shape of a policy: one key, and an object under it."""
    return isinstance(value, dict) and len(value) == 1 and body_of(value) is not value


def address_of(value: Any, own_addresses: frozenset[str]) -> str | None:
    """Return ``ip:port`` of a node's policy; ``None`` if it has none that is one.

    A node whose external address is one of ours is in our network: its local one counts.
    """
    body = body_of(value)
    ip, port = body.get("ip"), body.get("port")
    local = body.get("local_ip", body.get("internal_ip"))
    if local is not None and (ip is None or (isinstance(ip, str) and ip in own_addresses)):
        ip = local
        port = body.get("local_port", body.get("internal_port", port))
    if isinstance(port, str) and _INDEX.fullmatch(port):
        port = int(port)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65_536:
        return None
    return f"{ip}:{port}" if isinstance(ip, str) and _HOST.fullmatch(ip) else None


def first_of(value: Any, paths: tuple[BringPath, ...]) -> Any:
    """Return the first value that one of the paths leads to."""
    for path in paths:
        found = _cut(_walk(value, path.steps), path.cut)
        if found is not MISSING:
            return found
    return MISSING


def _walk(value: Any, steps: tuple[str | BringStep, ...]) -> Any:
    if len(steps) == 1 and steps[0] is BringStep.EACH and not is_policy(value):
        return value  # the whole, of what has no type
    for n, step in enumerate(steps):
        behind = steps[n + 1 :]
        if step is BringStep.EACH and isinstance(value, list):
            if not behind:
                return value
            found = (_walk(entry, behind) for entry in value)
            return [entry for entry in found if entry is not MISSING] or MISSING
        if isinstance(step, BringStep):
            if not isinstance(value, dict) or not value or (n and step is BringStep.EACH):
                return MISSING
            first = next(iter(value))
            value = value[first] if behind else first
        elif isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value


def _cut(value: Any, cut: BringCut | None) -> Any:
    """Return the part of a value that a path takes."""
    if cut is None or value is MISSING:
        return value
    text = text_of(value)
    if cut.name == "find":
        return text.partition(cut.text)[0]
    if cut.name == "rfind":
        return text.rpartition(cut.text)[2]
    if cut.name == "prefix":
        return text[: cut.count]
    return text[max(0, len(text) - cut.count) :]


def text_of(value: Any) -> str:
    """Return a value as text; lists and objects are JSON, so that it can be read again."""
    if isinstance(value, str):
        return value
    return json_of(value) if isinstance(value, dict | list) else literal(value)


def json_of(value: Any) -> str:
    """Return a value as JSON on one line."""
    separators = (",", ":") if isinstance(value, list) else (", ", ": ")
    return json.dumps(value, ensure_ascii=False, separators=separators)


def number_of(value: Any) -> float | int | None:
    """Return the number that a value is or reads as, ``None`` if it is none."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def rank_of(value: Any) -> tuple[int, float | int, str]:
    """Return what a value is sorted by: numbers, then texts, then what is missing."""
    if value is MISSING:
        return 2, 0, ""
    number = number_of(value)
    return (0, number, "") if number is not None else (1, 0, text_of(value))
