"""Policies by id, by type, and by the values of their attributes.

An index over an attribute is made when a query first asks for it, and takes changes in as they
come. What it finds is checked again by the condition itself, so that an index can only be too
generous, never wrong.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from edgelake.ledger.compiled import ABSENT, compiled
from edgelake.ledger.planning import candidates, having
from edgelake.ledger.policy import Policy
from edgelake.ledger.query import Predicate
from edgelake.ledger.rows import NoPlaceLeft, Rows, View

__all__ = ["PolicyIndex"]

_WILD = "*"


class PolicyIndex:
    """Policies in ledger order, found without looking at the others.

    Parameters
    ----------
    policies : iterable of Policy
        With ids, each once.

    Notes
    -----
    Thread-safe. Each method that reads sees one whole state and never waits for a change;
    who reads several times and wants one state for all takes a `copy`. Changes of one object
    go one after the other.

    A change costs the same whatever the number of policies is, and so does a copy: a copy
    shares all it has with its original. Only the newest of such relatives is changed at that
    price; a change of an older one writes its policies anew first.
    """

    __slots__ = ("_lock", "_sorted", "_view")

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self._lock = threading.Lock()
        self._view = View.of(Rows(policies))
        self._sorted: tuple[View, list[Policy]] | None = None

    def __len__(self) -> int:
        """Return how many policies there are."""
        return self._view.size

    def __contains__(self, policy_id: object) -> bool:
        """Whether there is a policy of that id."""
        return isinstance(policy_id, str) and self._view.row_of(policy_id) is not None

    def get(self, policy_id: str) -> Policy | None:
        """Return the policy of an id."""
        view = self._view
        row = view.row_of(policy_id)
        return None if row is None else view.rows.policies[row]

    def all(self) -> Sequence[Policy]:
        """Return all policies in ledger order; nobody changes what is returned."""
        view, known = self._view, self._sorted
        if known is None or known[0] is not view:
            self._sorted = known = view, self._of_type(view, None)
        return known[1]

    def types(self) -> list[str]:
        """Return the types that there are, sorted."""
        view = self._view
        by_type = view.rows.by_type
        return sorted(kind for kind in list(by_type) if view.has_one(by_type[kind]))

    def of_type(self, kind: str) -> list[Policy]:
        """Return the policies of a type in ledger order."""
        return self._of_type(self._view, kind)

    def copy(self) -> PolicyIndex:
        """Return an index that has what this one has now, whatever becomes of either."""
        made = PolicyIndex.__new__(PolicyIndex)
        made._lock = threading.Lock()
        made._view, made._sorted = self._view, self._sorted
        return made

    # --------------------------------------------------------------- changes

    def add(self, policy: Policy, *, after: str | None = None) -> None:
        """Put a policy behind all others; one with its id leaves.

        Parameters
        ----------
        policy : Policy
        after : str or None
            Id of the policy directly behind which it stands; ``""`` for before all.

        Raises
        ------
        KeyError
            There is no policy of the id ``after``.
        """

        def act(view: View) -> View:
            rows, before = view.rows, view.row_of(policy.id)
            place = None
            if after is not None:
                behind = view.row_of(after) if after else None
                if after and behind in (None, before):
                    raise KeyError(after)
                place = rows.place_behind(behind)
            if before is not None:
                rows.end(before)
            rows.append(policy, place)
            return view.after(ends=before is not None, begins=True)

        self._change(act)

    def put(self, policy: Policy) -> None:
        """Put a policy in the place of the one with its id.

        Raises
        ------
        KeyError
            There is none.
        """

        def act(view: View) -> View:
            before = view.row_of(policy.id)
            if before is None:
                raise KeyError(policy.id)
            place = view.rows.place(before)
            view.rows.end(before)
            view.rows.append(policy, place)
            return view.after(ends=True, begins=True)

        self._change(act)

    def remove(self, policy_id: str) -> None:
        """Take a policy out, if it is there."""

        def act(view: View) -> View:
            row = view.row_of(policy_id)
            if row is None:
                return view
            view.rows.end(row)
            return view.after(ends=True, begins=False)

        self._change(act)

    # ---------------------------------------------------------------- lookups

    def having(self, kind: str, wanted: Mapping[str, Any]) -> list[Policy]:
        """Return the policies of a type whose attributes have exactly these values."""
        view = self._view
        found = view.policies(view.ordered(view.visible(having(view.rows, kind, wanted))))
        return [
            policy
            for policy in found
            if all(_same(policy.body.get(name, ABSENT), value) for name, value in wanted.items())
        ]

    def find(self, types: Sequence[str] | None, predicate: Predicate | None) -> list[Policy]:
        """Return the policies of these types that fulfil a condition, in ledger order.

        Parameters
        ----------
        types : sequence of str or None
            ``None``, nothing or ``*`` among them stands for all.
        predicate : Predicate or None
        """
        view = self._view
        every = not types or _WILD in types
        kinds: Iterable[str | None] = [None] if every else dict.fromkeys(types or ())
        holds = None if predicate is None else compiled(predicate)
        policies = view.rows.policies
        found: list[int] = []
        for kind in kinds:
            if predicate is None or holds is None:
                found += view.visible(view.rows.indices.rows(kind))
                continue
            near = view.visible(candidates(view.rows, kind, predicate))
            found += [
                row
                for row in near
                if holds(policies[row].body) and (every or policies[row].type == kind)
            ]
        return view.policies(view.ordered(found))

    # ------------------------------------------------------------------ parts

    def _change(self, act: Callable[[View], View]) -> None:
        """Go on to the state that a change makes of the present one."""
        with self._lock:
            view = self._view
            with view.rows.lock:
                if view.newest and not view.rows.worn:
                    try:
                        self._view = act(view)
                        return
                    except NoPlaceLeft:
                        pass
            view = View.of(Rows(self.all()))
            with view.rows.lock:
                self._view = act(view)

    def _of_type(self, view: View, kind: str | None) -> list[Policy]:
        return view.policies(view.ordered(view.visible(view.rows.indices.rows(kind))))


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other
