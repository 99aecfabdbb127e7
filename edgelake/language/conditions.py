"""Conditions of ``if`` and ``wait``: whether they are well made, and whether they hold.

They compare values of variables. Conditions on policies are another matter
(`edgelake.commands.conditions`).
Source: command reference, "if".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from edgelake import limits
from edgelake.errors import CommandSyntaxError
from edgelake.language.diagnostics import shortened
from edgelake.language.expansion import expand_text
from edgelake.language.places import place
from edgelake.language.syntax import (
    And,
    Condition,
    Filtered,
    Group,
    Item,
    Mark,
    Not,
    Or,
    Quoted,
    Ref,
    Test,
    Word,
)
from edgelake.language.variables import Variables

__all__ = ["check_condition", "holds"]

_OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "contains", "startswith", "endswith", "childfrom")
_LISTED = ", ".join(_OPERATORS[:-1]) + " or " + _OPERATORS[-1]
_NUMERIC = frozenset({"int", "float", "len", "diff", "replies"})
_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?\s*")
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def check_condition(condition: Condition, text: str) -> None:
    """Refuse what parses as a condition and is none.

    Parameters
    ----------
    condition : Condition
    text : str
        What was parsed.

    Raises
    ------
    CommandSyntaxError
        With its place.
    """
    if isinstance(condition, Test):
        _check_test(condition, text)
    elif isinstance(condition, Not):
        check_condition(condition.part, text)
    else:
        for part in condition.parts:
            check_condition(part, text)


def holds(condition: Condition, variables: Variables) -> bool:
    """Return whether a condition that `check_condition` passed is true now.

    ``not`` binds stronger than ``and``, ``and`` stronger than ``or``. Undefined references
    are empty. Thread-safe.
    """
    if isinstance(condition, And):
        return all(holds(part, variables) for part in condition.parts)
    if isinstance(condition, Or):
        return any(holds(part, variables) for part in condition.parts)
    if isinstance(condition, Not):
        return not holds(condition.part, variables)
    if condition.operator:
        return _compare(condition, variables)
    return _is_true(_text(condition.left, variables), _cast(condition.left))


# ------------------------------------------------------------------ checks


def _check_test(test: Test, text: str) -> None:
    sign = test.operator
    if sign == "=":
        raise _fault(text, "'=' is no comparison", test.operator_start, "write '=='")
    if sign and sign not in _OPERATORS:
        raise _unknown(text, sign, test.operator_start)
    _check_operand(test.left, text, alone=not sign)
    if sign:
        _check_operand(test.right, text)


def _check_operand(items: Sequence[Item], text: str, *, alone: bool = False) -> None:
    """Refuse an operand of several words."""
    first = items[0]
    if len(items) > 1 and isinstance(first, Word) and first.literal == "then":
        raise _fault(text, "missing condition before 'then'", first.start, "write a comparison")
    for item in items:
        if isinstance(item, Group):
            raise _group_fault(item, items, text)
    words = [item for item in items if not _is_plus(item)]
    if len(words) > 1 and len(words) == len(items):
        second = words[1]
        shown = shortened(text[second.start : second.end])
        if not alone:
            raise _fault(
                text,
                f"unexpected '{shown}' in a condition",
                second.start,
                "write 'then' before a command, and quotes around a text with blanks",
            )
        if len(words) > 2:
            raise _fault(
                text,
                f"unknown comparison '{shown}'",
                second.start,
                f"write 'then' before a command, or {_LISTED}",
            )
        raise _fault(text, f"missing comparison before '{shown}'", second.start, _write())
    for before, item in pairwise(items):
        if _is_plus(before) == _is_plus(item):
            raise _fault(text, "unexpected word in a condition", item.start, _write())
    if _is_plus(items[0]) or _is_plus(items[-1]):
        raise _fault(text, "missing text beside '+'", items[-1].end, "write a word on each side")


def _group_fault(group: Group, items: Sequence[Item], text: str) -> CommandSyntaxError:
    if len(items) > 1:
        other = items[1] if items[0] is group else group
        return _fault(
            text, "missing 'and' or 'or' between groups", other.start, "write and, or between them"
        )
    if any(isinstance(entry, Filtered) for entry in group.entries) or len(group.entries) > 1:
        return _fault(text, "a list is no condition", group.start, "write (condition)")
    return _fault(text, "missing condition between '(' and ')'", group.start, "write (condition)")


def _unknown(text: str, sign: str, offset: int) -> CommandSyntaxError:
    return _fault(text, f"unknown comparison '{sign}'", offset, _write())


def _write() -> str:
    return f"write {_LISTED}"


def _fault(text: str, message: str, offset: int, hint: str) -> CommandSyntaxError:
    return place(CommandSyntaxError(message, hint=hint), text, offset)


def _is_plus(item: Item) -> bool:
    return isinstance(item, Mark) and item.text == "+"


# ------------------------------------------------------------------ values


def _compare(test: Test, variables: Variables) -> bool:
    left, right = _text(test.left, variables), _text(test.right, variables)
    order = _ORDERS.get(test.operator)
    if order is None:
        return _compare_text(left.lower(), test.operator, right.lower())
    casts = {_cast(test.left), _cast(test.right)}
    ordering = test.operator not in ("==", "!=")
    if casts & _NUMERIC or ordering:
        numbers = _number(left), _number(right)
        if None not in numbers:
            return order(*numbers)
        if casts & _NUMERIC:
            return test.operator == "!="
    return order(left.lower(), right.lower())


def _compare_text(left: str, sign: str, right: str) -> bool:
    if sign == "contains":
        return right in left
    if sign == "startswith":
        return left.startswith(right)
    if sign == "endswith":
        return left.endswith(right)
    parent, slash, name = left.rstrip("/").rpartition("/")
    return bool(name) and (parent + slash).rstrip("/") == right.rstrip("/")


def _is_true(text: str, cast: str) -> bool:
    if cast in _NUMERIC:
        return bool(_number(text))
    return text == "true" if cast == "bool" else bool(text)


def _text(items: Sequence[Item], variables: Variables) -> str:
    return expand_text(items, variables)


def _cast(items: Sequence[Item]) -> str:
    """Return the cast of an operand that is one reference."""
    only = items[0].word if isinstance(items[0], Quoted) else items[0]
    if len(items) > 1 or not isinstance(only, Word):
        return ""
    reference: Ref | None = only.reference
    return reference.cast if reference is not None else ""


def _number(text: str) -> float | int | None:
    """Return the number that a text is, ``None`` if it is none."""
    if len(text) > limits.MAX_NUMBER_CHARS or not _NUMBER.fullmatch(text):
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)
