"""Conditions of the language as predicates on policies."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from edgelake.errors import BadArgument, WrongValue
from edgelake.language import (
    And,
    Condition,
    Item,
    JsonItem,
    JsonText,
    Not,
    Or,
    Quoted,
    Test,
    Variables,
    Word,
    expand_json,
    expand_text,
    shortened,
)
from edgelake.ledger import OPERATORS, AllOf, AnyOf, Attribute, Compare, Predicate, Truth
from edgelake.ledger import Not as Negation

__all__ = ["equalities", "predicate"]

_PATH = re.compile(r"([^\s\[\]]*)((?:\[[^\[\]]+\])*)")
_STEP = re.compile(r"\[([^\[\]]+)\]")
_BRACKETS = re.compile(r"(?:\[[^\[\]]+\])+")
_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def predicate(condition: Condition, variables: Variables) -> Predicate:
    """Return what a condition asks of a policy's body, its references replaced.

    Parameters
    ----------
    condition : Condition
        As parsed.
    variables : Variables

    Raises
    ------
    BadArgument
        A test does not compare an attribute with a value.
    UndefinedVariable
    """
    if isinstance(condition, And):
        return AllOf(tuple(predicate(part, variables) for part in condition.parts))
    if isinstance(condition, Or):
        return AnyOf(tuple(predicate(part, variables) for part in condition.parts))
    if isinstance(condition, Not):
        return Negation(predicate(condition.part, variables))
    if not condition.operator and _is_object(condition.left):
        source = expand_json(condition.left[0].source, variables, strict=True)  # type: ignore[union-attr]
        return equalities(JsonText.read(source).data, condition.start + 1)
    return _compare(condition, variables)


def equalities(wanted: Mapping[str, Any], column: int | None = None) -> Predicate:
    """Return what ``{"name": "d2"}`` asks for: all of these attributes, as ``=`` compares.

    Raises
    ------
    WrongValue
        A value is an object, a list or null.
    """
    for key, value in wanted.items():
        if value is None or isinstance(value, dict | list):
            raise WrongValue(
                f"'{shortened(key)}' is not compared with a text or a number",
                hint='write {"name": "d1"}, or where …',
                column=column,
            )
    tests = (_equal(key, value) for key, value in wanted.items())
    return AllOf(tuple(tests))


def _equal(key: str, value: Any) -> Compare:
    sign = "==" if isinstance(value, bool) else "="
    return Compare((key,), sign, value)


def _is_object(items: Sequence[Item]) -> bool:
    first = items[0]
    return len(items) == 1 and isinstance(first, JsonItem) and first.source.startswith("{")


def _compare(test: Test, variables: Variables) -> Predicate:
    left = expand_text(test.left, variables, strict=True)
    match = _PATH.fullmatch(left)
    if match is None or not left:
        raise _no_attribute(test, left)
    steps = tuple(([match[1]] if match[1] else []) + _STEP.findall(match[2]))
    sign = test.operator
    if not sign:
        if match[1]:
            raise BadArgument(
                "a comparison is missing", hint="write attribute = value", column=test.start + 1
            )
        return Truth(Attribute(steps))
    if sign not in OPERATORS:
        raise BadArgument(
            f"no comparison '{sign}' of attributes",
            hint="write one of: " + " ".join(sorted(OPERATORS)),
            column=test.operator_start + 1,
        )
    value = _value(test.right, variables)
    if sign == "with":
        return Compare(steps, sign, _list(value, test.operator_start + 1))
    if sign == "=":
        return Compare(steps, sign, value)
    other = _attribute(test.right)
    if other is None:
        return Compare(steps, sign, value)
    if not match[1]:
        return Compare(steps, sign, Attribute(other))
    # A constant on the left and an attribute on the right: `5 < [level]`.
    if sign not in _TURNED:
        raise BadArgument(
            f"'{sign}' needs the attribute on its left",
            hint=f"write [attribute] {sign} value",
            column=test.start + 1,
        )
    return Compare(other, _TURNED[sign], left)


def _value(items: Sequence[Item], variables: Variables) -> str:
    """Return the text on the right; quotes of any kind around it are no part of it."""
    only = items[0]
    if len(items) == 1 and isinstance(only, Quoted) and only.word is None:
        return only.text
    return expand_text(items, variables, strict=True)


def _attribute(items: Sequence[Item]) -> tuple[str, ...] | None:
    """Return the steps of ``[a][b]``, ``None`` if the words are something else."""
    only = items[0]
    source = only.source if isinstance(only, JsonItem) else ""
    if isinstance(only, Word):
        source = only.literal or ""
    if len(items) > 1 or not _BRACKETS.fullmatch(source):
        return None
    return tuple(_STEP.findall(source))


def _no_attribute(test: Test, left: str) -> BadArgument:
    """Return the error for a test that does not begin with an attribute."""
    if not test.operator and len(test.left) == 3 and isinstance(test.left[1], Word):
        word = test.left[1].literal or ""
        nearest = difflib.get_close_matches(word, OPERATORS, n=1)
        listed = "write one of: " + " ".join(sorted(OPERATORS))
        return BadArgument(
            f"no comparison '{shortened(word)}'",
            hint=f"did you mean '{nearest[0]}'?" if nearest else listed,
            column=test.left[1].start + 1,
        )
    return BadArgument(
        f"'{shortened(left)}' is not an attribute",
        hint="write name = … or [name] == …",
        column=test.start + 1,
    )


def _list(value: str, column: int) -> list[Any]:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise BadArgument(
            f"'{shortened(value)}' is not a list", hint='write with ["a", "b"]', column=column
        )
    return found
