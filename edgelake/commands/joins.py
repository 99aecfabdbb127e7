"""``join ( blockchain get … )`` and ``merge ( … )`` behind a condition on policies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from edgelake import limits
from edgelake.commands.conditions import equalities, predicate
from edgelake.commands.context import Context
from edgelake.errors import BadArgument, CommandError
from edgelake.language import (
    And,
    Call,
    CommandStatement,
    Condition,
    Group,
    Item,
    JsonText,
    Test,
    Word,
    bind,
    parse,
)
from edgelake.ledger import AllOf, AnyOf, Attribute, Compare, PolicyIndex, Predicate
from edgelake.ledger import Not as Negation
from edgelake.ledger.paths import body_of

__all__ = ["BehindType", "Join", "asked", "join_with", "split_words"]

_STEP = re.compile(r"\[([^\[\]]+)\]")
_PATH = re.compile(r"(?:\[[^\[\]]+\])+")
_WORDS = ("join", "merge")
_HINT = "write: … join ( blockchain get <type> where <attribute> = [type][attribute] )"


@dataclass(frozen=True, slots=True)
class Join:
    """A query that is made for each policy of another one.

    Attributes
    ----------
    merges : bool
        What it finds is merged into the policy, not put beside it.
    query : str
        Without its parentheses.
    column : int
        1-based place of the word in the command.
    """

    merges: bool
    query: str
    column: int


@dataclass(frozen=True, slots=True)
class BehindType:
    """What stands directly behind the type of a query: ``{"name": "d1"}``, a join, or both."""

    match: JsonText | None = None
    joined: Join | None = None


def asked(context: Context, call: Call) -> tuple[Predicate | None, Join | None]:
    """Return what a query asks of policies, and its join.

    Raises
    ------
    BadArgument, WrongValue
        A test does not compare an attribute with a value.
    UndefinedVariable
    """
    behind: BehindType = call.arguments["match"] or BehindType()
    condition, joined = _split_condition(call.condition)
    if joined is not None and behind.joined is not None:
        raise BadArgument("a second join", hint="leave one of the two out", column=joined.column)
    tests: list[Predicate] = []
    if behind.match is not None:
        tests.append(equalities(behind.match.data, call.column("match")))
    if condition is not None:
        tests.append(predicate(condition, context.variables))
    return AllOf(tuple(tests)) if tests else None, joined or behind.joined


def split_words(items: Sequence[Item]) -> tuple[tuple[Item, ...], Join | None]:
    """Return words without the join behind them, and the join if there is one."""
    words = tuple(items)
    if len(words) < 2:
        return words, None
    word, group = words[-2:]
    if not isinstance(word, Word) or word.literal not in _WORDS or not isinstance(group, Group):
        return words, None
    return words[:-2], Join(word.literal == "merge", group.source[1:-1].strip(), word.start + 1)


def _split_condition(condition: Condition | None) -> tuple[Condition | None, Join | None]:
    """Return a condition without the join behind it, and the join if there is one."""
    if isinstance(condition, And):
        last, joined = _split_condition(condition.parts[-1])
        if joined is None or last is None:
            return condition, None
        return replace(condition, parts=(*condition.parts[:-1], last)), joined
    if not isinstance(condition, Test):
        return condition, None
    right, joined = split_words(condition.right)
    return (replace(condition, right=right), joined) if right else (condition, None)


def join_with(context: Context, joined: Join, objects: Sequence[Any]) -> list[Any]:
    """Return what a join makes of policies.

    Those without a match are left out; if none has one, all stay as they are.

    Raises
    ------
    BadArgument
        The query in it is none.
    CommandError
        More than `limits.MAX_JOINED_POLICIES` results, or it takes longer than
        `limits.JOIN_TIMEOUT_S`.
    """
    call = _query(context, joined)
    types = call.arguments["types"]
    condition, inside = asked(context, call)
    if inside is not None:
        raise BadArgument("a join in a join", hint=_HINT, column=joined.column)
    stored = call.command.name == "blockchain read"
    ledger = PolicyIndex(context.node.ledger) if stored else context.node.ledger.lookup()
    deadline = monotonic() + limits.JOIN_TIMEOUT_S
    found: list[Any] = []
    for outer in objects:
        if monotonic() > deadline:
            raise CommandError(
                f"the join takes more than {limits.JOIN_TIMEOUT_S:g} s",
                hint="compare with '=' or '==', or write a condition that fewer policies fulfil",
            )
        inner = ledger.find(types, None if condition is None else _filled(condition, outer))
        if joined.merges:
            if inner:
                found.append(_merged(outer, [policy.body for policy in inner]))
        else:
            found += [{**outer, **policy.content()} for policy in inner]
        if len(found) > limits.MAX_JOINED_POLICIES:
            raise CommandError(
                f"the join has more than {limits.MAX_JOINED_POLICIES} results",
                hint="write a condition that fewer policies fulfil",
            )
    return found or list(objects)


def _query(context: Context, joined: Join) -> Call:
    """Return the query inside."""
    registry = context.interpreter.registry
    statements = parse(joined.query, registry)
    only = statements[0] if len(statements) == 1 else None
    if not isinstance(only, CommandStatement):
        raise _no_query(joined)
    call = bind(only, registry, context.variables)
    if call.command.name not in ("blockchain get", "blockchain read") or call.bring is not None:
        raise _no_query(joined)
    return call


def _no_query(joined: Join) -> BadArgument:
    return BadArgument("no query in the parentheses", hint=_HINT, column=joined.column)


def _filled(condition: Predicate, outer: Any) -> Predicate:
    """Return a condition in which ``[type][attribute]`` has the value that a policy has."""
    match condition:
        case Compare(path, sign, Attribute(steps)):
            return _against(path, sign, outer, tuple(str(step) for step in steps))
        case Compare(path, sign, str() as text) if _PATH.fullmatch(text):
            return _against(path, sign, outer, tuple(_STEP.findall(text)))
        case AllOf(parts):
            return AllOf(tuple(_filled(part, outer) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(_filled(part, outer) for part in parts))
        case Negation(part):
            return Negation(_filled(part, outer))
    return condition


def _against(
    path: tuple[str | int, ...], sign: str, outer: Any, steps: tuple[str, ...]
) -> Predicate:
    value = outer
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    if value is None or isinstance(value, dict | list):
        return AnyOf(())
    return Compare(path, sign, value)


def _merged(outer: Any, bodies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a policy with the attributes that others have and it lacks."""
    kind = next(iter(outer))
    body = dict(body_of(outer))
    for other in bodies:
        for name, value in other.items():
            body.setdefault(name, value)
    return {kind: body}
