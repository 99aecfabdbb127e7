"""Policies made ready for the ledger: what the commands that write it have in common."""

from __future__ import annotations

from collections.abc import Sequence

from edgelake.commands.context import Context
from edgelake.errors import EdgeLakeError, PolicyConflict, PolicyInvalid
from edgelake.language import parse, shortened
from edgelake.ledger import Policy, PolicyIndex, check, with_defaults

__all__ = ["checked", "checked_all"]


def checked(context: Context, policy: Policy) -> Policy:
    """Return a complete policy with what its type has by default, its rules checked.

    A policy whose id is in the ledger is left to the ledger, which refuses it for that.

    Raises
    ------
    PolicyInvalid, PolicyNotUnique, PolicyMissing
        See `edgelake.ledger.check`.
    """
    state = context.node.ledger.lookup()
    if policy.id in state:
        return policy
    policy = with_defaults(policy, state)
    check(policy, state)
    _check_scripts(context, policy)
    return policy


def checked_all(context: Context, policies: Sequence[Policy]) -> list[Policy]:
    """Return policies as `checked` does, each with those before it in the ledger.

    Raises
    ------
    PolicyConflict
        An id is in the ledger, or twice among these.
    """
    state = PolicyIndex(context.node.ledger.lookup().all())
    made: list[Policy] = []
    for policy in policies:
        if policy.id in state:
            raise PolicyConflict(
                f"policy '{policy.id}' exists already",
                hint=f"look at it with: blockchain get * where id = {policy.id}",
            )
        policy = with_defaults(policy, state)
        check(policy, state)
        _check_scripts(context, policy)
        state.add(policy)
        made.append(policy)
    return made


def _check_scripts(context: Context, policy: Policy) -> None:
    """Check that the scripts of a valid mapping can be read; a command need not be known here.

    Raises
    ------
    PolicyInvalid
    """
    if policy.type != "mapping":
        return
    for name, entry in policy.body["schema"].items():
        if name.startswith("__") and name.endswith("__"):
            continue
        for column in entry if isinstance(entry, list) else [entry]:
            for number, line in enumerate(column.get("script", ()), 1):
                _check_line(context, f"line {number} of 'script' of column '{name}'", line)


def _check_line(context: Context, what: str, line: str) -> None:
    try:
        parse(line, context.interpreter.registry)
    except EdgeLakeError as exc:
        hint = f"'{shortened(line)}': {exc.hint}" if exc.hint else f"'{shortened(line)}'"
        raise PolicyInvalid(f"{what} cannot be read: {exc.message}", hint=hint) from exc
