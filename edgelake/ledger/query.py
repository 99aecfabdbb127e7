"""Conditions over policies: a small tree. `edgelake.ledger.compiled` says what it means.

Two families of comparisons live side by side, as in the command language:
``=`` and ``with`` of the equality form, and the operators of the expression
form (``==``, ``!=``, ``>``, …). They differ on purpose: ``=`` looks into lists
and reads numbers loosely, the others compare two values.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from edgelake.errors import WrongValue

__all__ = [
    "COMPARISONS",
    "OPERATORS",
    "TEXT_COMPARISONS",
    "AllOf",
    "AnyOf",
    "Attribute",
    "Compare",
    "Not",
    "Path",
    "Predicate",
    "Truth",
    "is_number",
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


# ------------------------------------------------------------- comparisons


def _is_child(left: str, right: str) -> bool:
    """Return whether the path on the left lies directly under that on the right."""
    folder, slash, name = left.rstrip("/").rpartition("/")
    return bool(slash and name) and folder == right.rstrip("/")


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
"""Of two numbers or two texts."""

TEXT_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "contains": operator.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "childfrom": _is_child,
}
"""Of two texts only."""

OPERATORS = frozenset({"=", "with", *COMPARISONS, *TEXT_COMPARISONS})
"""Comparisons a `Compare` may have."""


# ------------------------------------------------------------------ values

_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,400}\s*", re.ASCII)
_NUMBER = re.compile(
    r"\s*[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?\s*", re.ASCII
)


def is_number(value: Any) -> bool:
    """Return whether a value of JSON is a number; true and false are none."""
    kind = type(value)
    return kind is int or kind is float


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
    return value if is_number(value) else None


def text_in(value: Any) -> str:
    """Return a value as the text that comparisons take it for."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
