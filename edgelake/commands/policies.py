"""Policies made ready for the ledger: what the commands that write it have in common."""

from __future__ import annotations

from collections.abc import Sequence

from edgelake.errors import PolicyConflict
from edgelake.ledger import LocalLedger, Policy, PolicyIndex, check, with_defaults

__all__ = ["checked", "checked_all"]


def checked(ledger: LocalLedger, policy: Policy) -> Policy:
    """Return a complete policy with what its type has by default, its rules checked.

    A policy whose id is in the ledger is left to the ledger, which refuses it for that.

    Raises
    ------
    PolicyInvalid, PolicyNotUnique, PolicyMissing
        See `edgelake.ledger.check`.
    """
    state = ledger.lookup()
    if policy.id in state:
        return policy
    policy = with_defaults(policy, state)
    check(policy, state)
    return policy


def checked_all(ledger: LocalLedger, policies: Sequence[Policy]) -> list[Policy]:
    """Return policies as `checked` does, each with those before it in the ledger.

    Raises
    ------
    PolicyConflict
        An id is in the ledger, or twice among these.
    """
    state = PolicyIndex(ledger.lookup().all())
    made: list[Policy] = []
    for policy in policies:
        if policy.id in state:
            raise PolicyConflict(
                f"policy '{policy.id}' exists already",
                hint=f"look at it with: blockchain get * where id = {policy.id}",
            )
        policy = with_defaults(policy, state)
        check(policy, state)
        state.add(policy)
        made.append(policy)
    return made
