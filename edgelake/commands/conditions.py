"""Conditions of the language as predicates on policies."""

from __future__ import annotations

import json
import re
from typing import Any

from edgelake.errors import BadArgument
from edgelake.language import And, Condition, Not, Or, Test, Variables, expand_text
from edgelake.ledger import AllOf, AnyOf, Attribute, Compare, Predicate, Truth
from edgelake.ledger import Not as Negation

__all__ = ["predicate"]

_PATH = re.compile(r"([^\s\[\]]*)((?:\[[^\[\]]+\])*)")
_STEP = re.compile(r"\[([^\[\]]+)\]")


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
    return _compare(condition, variables)


def _compare(test: Test, variables: Variables) -> Predicate:
    left = expand_text(test.left, variables, strict=True)
    match = _PATH.fullmatch(left)
    if match is None or not left:
        raise BadArgument(
            f"'{left}' is not an attribute",
            hint="write name = … or [name] == …",
            column=test.start + 1,
        )
    steps = ([match[1]] if match[1] else []) + _STEP.findall(match[2])
    if not test.operator:
        if match[1]:
            raise BadArgument(
                "a comparison is missing", hint="write attribute = value", column=test.start + 1
            )
        return Truth(Attribute(tuple(steps)))
    value: Any = expand_text(test.right, variables, strict=True)
    if test.operator == "with":
        value = _list(value, test.operator_start + 1)
    return Compare(tuple(steps), test.operator, value)


def _list(value: str, column: int) -> list[Any]:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise BadArgument(f"'{value}' is not a list", hint='write with ["a", "b"]', column=column)
    return found
