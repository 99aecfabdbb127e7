"""What a condition means: a function of a policy's body, composed once for a query.

The functions are closures over constants and paths of the condition's tree; no text of it
is ever evaluated. None of them raises for the content of a policy: what cannot be compared
is false.

Notes
-----
Source: ledger reference, "where, equality form" and "where, expression form".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from edgelake.ledger.policy import Policy
from edgelake.ledger.query import (
    COMPARISONS,
    TEXT_COMPARISONS,
    AllOf,
    AnyOf,
    Attribute,
    Compare,
    Not,
    Path,
    Predicate,
    Truth,
    is_number,
    number_in,
    text_in,
)

__all__ = ["ABSENT", "Getter", "Holds", "compiled", "first_getter", "getter", "matches"]

Holds: TypeAlias = Callable[[dict[str, Any]], bool]
"""Tells of a body whether it fulfils a condition."""

Getter: TypeAlias = Callable[[dict[str, Any]], Any]
"""Takes a value out of a body."""

ABSENT: Any = object()
"""What a `Getter` returns where there is nothing; ``None`` is JSON's null."""

_INDEX = re.compile("[0-9]{1,9}")


def matches(policy: Policy, predicate: Predicate) -> bool:
    """Return whether a policy fulfils a condition; for many policies see `compiled`."""
    return compiled(predicate)(policy.body)


def compiled(predicate: Predicate) -> Holds:
    """Return the function that tells whether a body fulfils a condition. Use from any thread."""
    match predicate:
        case Compare(path, "=", value):
            return _equal(path, text_in(value))
        case Compare(path, "with", value):
            return _one_of(getter(path), value)
        case Compare(path, sign, Attribute(other)):
            return _between(getter(path), sign, getter(other))
        case Compare(path, sign, value):
            return _against(getter(path), sign, value)
        case AllOf(parts):
            return _all_of([compiled(part) for part in parts])
        case AnyOf(parts):
            return _any_of([compiled(part) for part in parts])
        case Not(part):
            holds = compiled(part)
            return lambda body: not holds(body)
        case Truth(Attribute(path)):
            get = getter(path)
            return lambda body: (value := get(body)) is not ABSENT and bool(value)
        case Truth(operand):
            constant = bool(operand)
            return lambda body: constant


# ------------------------------------------------------------------- paths


def getter(path: Path) -> Getter:
    """Return what walks a path: names of attributes, and numbers of list items."""
    steps = tuple(str(step) for step in path)
    if len(steps) == 1:
        name = steps[0]
        return lambda body: body.get(name, ABSENT)

    def get(body: dict[str, Any]) -> Any:
        value: Any = body
        for step in steps:
            if isinstance(value, dict):
                value = value.get(step, ABSENT)
            elif isinstance(value, list) and _INDEX.fullmatch(step):
                number = int(step)
                value = value[number] if number < len(value) else ABSENT
            else:
                return ABSENT
        return value

    return get


def first_getter(path: Path) -> Getter:
    """Return what walks a path as ``=`` does: the first object in a list that has the name.

    As the network does: other objects of the list do not count.
    """
    first, *steps = path
    name = str(first)

    def get(body: dict[str, Any]) -> Any:
        value = body.get(name, ABSENT)
        for step in steps:
            if isinstance(value, list):
                value = next((i for i in value if isinstance(i, dict) and step in i), ABSENT)
            value = value.get(step, ABSENT) if isinstance(value, dict) else ABSENT
        return value

    return get


# ----------------------------------------------------------- equality form


def _equal(path: Path, wanted: str) -> Holds:
    text = wanted.lower()
    if len(path) > 1:
        walk = first_getter(path)
        return lambda body: isinstance(value := walk(body), str) and value.lower() == text
    get = getter(path)
    number = number_in(wanted)
    whole = number if isinstance(number, int) else None

    def holds(body: dict[str, Any]) -> bool:
        stored = get(body)
        if isinstance(stored, str):
            return stored == "*" or stored.lower() == text
        if isinstance(stored, list):
            return text in stored
        if isinstance(stored, bool):
            return False
        if isinstance(stored, int):
            return whole == stored
        return isinstance(stored, float) and number == stored

    return holds


def _one_of(get: Getter, wanted: Sequence[Any]) -> Holds:
    texts = [text_in(value) for value in wanted]
    lowered = frozenset(text.lower() for text in texts)

    def holds(body: dict[str, Any]) -> bool:
        stored = get(body)
        if isinstance(stored, str):
            return stored.lower() in lowered
        return isinstance(stored, list) and any(text in stored for text in texts)

    return holds


# --------------------------------------------------------- expression form


def _between(get: Getter, sign: str, other: Getter) -> Holds:
    """Compare two values of a policy."""
    if sign in TEXT_COMPARISONS:

        def holds_for_texts(body: dict[str, Any]) -> bool:
            right = other(body)
            return right is not ABSENT and _against(get, sign, right)(body)

        return holds_for_texts
    compare = COMPARISONS[sign]

    def holds(body: dict[str, Any]) -> bool:
        left, right = get(body), other(body)
        if left is ABSENT or right is ABSENT:
            return False
        if type(left) is type(right) and is_number(left):
            return compare(left, right)
        if is_number(left) or is_number(right):
            one, two = number_in(left), number_in(right)
            return one is not None and two is not None and compare(one, two)
        return compare(text_in(left).lower(), text_in(right).lower())

    return holds


def _against(get: Getter, sign: str, right: Any) -> Holds:
    """Compare a value of a policy with a constant."""
    text = text_in(right).lower()
    if sign in TEXT_COMPARISONS:
        return _against_text(get, sign, text)
    compare = COMPARISONS[sign]
    number = number_in(right)
    if is_number(right):

        def holds_for_number(body: dict[str, Any]) -> bool:
            found = number_in(get(body))
            return found is not None and compare(found, right)

        return holds_for_number

    def holds(body: dict[str, Any]) -> bool:
        left = get(body)
        if isinstance(left, str):
            return compare(left.lower(), text)
        if left is ABSENT:
            return False
        if is_number(left):
            return number is not None and compare(left, number)
        return compare(text_in(left).lower(), text)

    return holds


def _against_text(get: Getter, sign: str, text: str) -> Holds:
    compare = TEXT_COMPARISONS[sign]
    members = sign == "contains"

    def holds(body: dict[str, Any]) -> bool:
        left = get(body)
        if isinstance(left, str):
            return compare(left.lower(), text)
        if left is ABSENT:
            return False
        if isinstance(left, list):
            return members and any(text_in(member).lower() == text for member in left)
        return compare(text_in(left).lower(), text)

    return holds


# ------------------------------------------------------------- combinations


def _all_of(parts: Sequence[Holds]) -> Holds:
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        one, two = parts
        return lambda body: one(body) and two(body)
    return lambda body: all(part(body) for part in parts)


def _any_of(parts: Sequence[Holds]) -> Holds:
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        one, two = parts
        return lambda body: one(body) or two(body)
    return lambda body: any(part(body) for part in parts)
