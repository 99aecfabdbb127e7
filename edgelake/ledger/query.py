"""Conditions over policies: a small tree, walked, never evaluated as code.

Two families of comparisons live side by side, as in the command language:
``=`` and ``with`` of the equality form, and the operators of the expression
form (``==``, ``!=``, ``>``, …). They differ on purpose: ``=`` looks into lists
and reads numbers loosely, the others compare two values.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from edgelake.errors import WrongValue
from edgelake.ledger.policy import Policy

__all__ = [
    "OPERATORS",
    "AllOf",
    "AnyOf",
    "Attribute",
    "Compare",
    "Not",
    "Path",
    "Predicate",
    "Truth",
    "matches",
    "number_in",
    "text_in",
]

Path: TypeAlias = tuple[str | int, ...]
"""Steps from the body inwards: names of attributes, numbers of list items."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """The value at a path, where a comparison or `Truth` could also have a constant."""

    path: Path


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison of the value at ``path`` with ``value``.

    Attributes
    ----------
    path : tuple
        At least one step; the type of the policy is not part of it.
    operator : str
        One of `OPERATORS`.
    value : str, int, float, bool, None, Attribute, or a sequence of texts for ``with``
    """

    path: Path
    operator: str
    value: Any

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise WrongValue(
                f"no comparison '{self.operator}'",
                hint="write one of: " + " ".join(sorted(OPERATORS)),
            )


@dataclass(frozen=True, slots=True)
class Truth:
    """Holds if the value at a path, or a constant, is not empty and not zero."""

    operand: Any


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds if every part holds; true without parts."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds if one part holds; false without parts."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Holds if the part does not."""

    part: Predicate


Predicate: TypeAlias = Compare | Truth | AllOf | AnyOf | Not


def matches(policy: Policy, predicate: Predicate) -> bool:
    """Return whether a policy fulfils a condition.

    Never raises for the content of a policy: what cannot be compared is false.

    Notes
    -----
    Source: ledger reference, "where, equality form" and "where, expression form".
    """
    return _holds(policy.body, predicate)


def _holds(body: dict[str, Any], predicate: Predicate) -> bool:
    match predicate:
        case Compare(path, sign, value):
            if sign == "=":
                return _equal(body, path, text_in(value))
            if sign == "with":
                return _equal_any(body, path, value)
            right = _walk(body, value.path) if isinstance(value, Attribute) else value
            return _compare(_walk(body, path), sign, right)
        case AllOf(parts):
            return all(_holds(body, part) for part in parts)
        case AnyOf(parts):
            return any(_holds(body, part) for part in parts)
        case Not(part):
            return not _holds(body, part)
        case Truth(operand):
            value = _walk(body, operand.path) if isinstance(operand, Attribute) else operand
            return value is not _MISSING and bool(value)


# ------------------------------------------------------------------- paths

_MISSING: Any = object()
_INDEX = re.compile("[0-9]{1,9}")


def _walk(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(str(step), _MISSING)
        elif isinstance(value, list) and _INDEX.fullmatch(str(step)):
            number = int(step)
            value = value[number] if number < len(value) else _MISSING
        else:
            return _MISSING
    return value


# ----------------------------------------------------------- equality form


def _equal(body: dict[str, Any], path: Path, wanted: str) -> bool:
    stored = body.get(str(path[0]), _MISSING)
    if len(path) == 1:
        return _equal_value(stored, wanted)
    for step in path[1:]:
        if isinstance(stored, list):
            # As the network does: only the first item that has the attribute counts.
            stored = next((i for i in stored if isinstance(i, dict) and step in i), _MISSING)
        stored = stored.get(step, _MISSING) if isinstance(stored, dict) else _MISSING
    return isinstance(stored, str) and stored.lower() == wanted.lower()


def _equal_value(stored: Any, wanted: str) -> bool:
    if isinstance(stored, str):
        return stored == "*" or stored.lower() == wanted.lower()
    if isinstance(stored, list):
        return wanted.lower() in stored
    if isinstance(stored, bool):
        return False
    if isinstance(stored, int):
        return _as_integer(wanted) == stored
    if isinstance(stored, float):
        return number_in(wanted) == stored
    return False


def _equal_any(body: dict[str, Any], path: Path, wanted: Sequence[Any]) -> bool:
    stored = _walk(body, path)
    texts = [text_in(value) for value in wanted]
    if isinstance(stored, str):
        return stored.lower() in (text.lower() for text in texts)
    return isinstance(stored, list) and any(text in stored for text in texts)


# --------------------------------------------------------- expression form


def _is_child(left: str, right: str) -> bool:
    """Return whether the path on the left lies directly under that on the right."""
    folder, slash, name = left.rstrip("/").rpartition("/")
    return bool(slash and name) and folder == right.rstrip("/")


def _contains(left: str, right: str) -> bool:
    return right in left


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_TEXT_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "contains": _contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "childfrom": _is_child,
}

OPERATORS = frozenset({"=", "with", *_COMPARISONS, *_TEXT_COMPARISONS})
"""Comparisons a `Compare` may have."""


def _compare(left: Any, sign: str, right: Any) -> bool:
    if left is _MISSING or right is _MISSING:
        return False
    by_text = _TEXT_COMPARISONS.get(sign)
    if by_text is not None:
        if isinstance(left, list):
            return sign == "contains" and text_in(right).lower() in (
                text_in(i).lower() for i in left
            )
        return by_text(text_in(left).lower(), text_in(right).lower())
    compare = _COMPARISONS[sign]
    if _is_number(left) or _is_number(right):
        a, b = number_in(left), number_in(right)
        return a is not None and b is not None and compare(a, b)
    return compare(text_in(left).lower(), text_in(right).lower())


# ------------------------------------------------------------------ values

_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,400}\s*", re.ASCII)
_NUMBER = re.compile(
    r"\s*[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?\s*", re.ASCII
)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_integer(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number_in(value: Any) -> int | float | None:
    """Return the number that a value is or reads as, ``None`` if it is none."""
    if isinstance(value, str):
        whole = _as_integer(value)
        if whole is not None:
            return whole
        return float(value) if _NUMBER.fullmatch(value) else None
    return value if _is_number(value) else None


def text_in(value: Any) -> str:
    """Return a value as the text that comparisons take it for."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
