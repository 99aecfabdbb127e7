"""Policies made ready for the ledger: what the commands that write it have in common."""

from __future__ import annotations

from edgelake.ledger import LocalLedger, Policy, check, with_defaults

__all__ = ["checked"]


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
