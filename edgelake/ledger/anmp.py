"""Policies of type ``anmp``: they change what others say, and no line of them.

::

    {"anmp": {"<id of a policy>": {"<attribute>": <new value>, …}, …}}

The latest date of an attribute counts, of equal dates the last in the ledger. What one such
policy says wrongly concerns nobody but itself: it is left out and told.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edgelake.ledger.policy import Policy

__all__ = ["applied"]

_TYPE = "anmp"
_OWN = frozenset({"id", "date", "ledger"})
_KEPT = frozenset({"id", _TYPE})


def applied(policies: Iterable[Policy]) -> tuple[list[Policy], tuple[str, ...]]:
    """Return policies with what ``anmp`` policies say of them, and what these say wrongly.

    Parameters
    ----------
    policies : iterable of Policy
        In ledger order, ids unique.

    Returns
    -------
    list of Policy
        In the same order. A changed one has the date of each change in its attribute
        ``anmp``, and its line as it is in the file.
    tuple of str
    """
    found = {policy.id: policy for policy in policies}
    faults: list[str] = []
    for policy in [entry for entry in found.values() if entry.type == _TYPE]:
        for target_id, changes in policy.body.items():
            if target_id in _OWN:
                continue
            target = found.get(target_id)
            if not isinstance(changes, dict):
                faults.append(f"anmp policy '{policy.id}': '{target_id}' holds no object")
            elif target is not None and target.type != _TYPE:
                found[target_id] = _changed(target, changes, policy.date)
    return list(found.values()), tuple(faults)


def _changed(target: Policy, changes: dict[str, Any], date: str) -> Policy:
    known = target.body.get(_TYPE)
    dates = dict(known) if isinstance(known, dict) else {}
    body = dict(target.body)
    for name, value in changes.items():
        before = dates.get(name)
        if name in _KEPT or (isinstance(before, str) and before > date):
            continue
        body[name] = value
        dates[name] = date
    return Policy(target.type, {**body, _TYPE: dates}, target.text) if dates else target
