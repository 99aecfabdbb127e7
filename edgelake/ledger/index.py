"""Policies by id, by type, and by the values of their attributes.

An index over an attribute is made when it is first asked for, and kept up to date by
`PolicyIndex.add` and `PolicyIndex.remove`. What it finds is checked again by the condition
itself, so that an index can only be too generous, never wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgelake.ledger.policy import Policy
from edgelake.ledger.query import (
    AllOf,
    AnyOf,
    Attribute,
    Compare,
    Predicate,
    matches,
    number_in,
    text_in,
)

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
    Reading is safe from any thread while nobody adds or removes.
    """

    __slots__ = ("_by_id", "_by_type", "_next", "_places", "_values")

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self._by_id: dict[str, Policy] = {}
        self._by_type: dict[str, dict[str, Policy]] = {}
        self._places: dict[str, int] = {}
        self._values: dict[tuple[str | None, str], _Values] = {}
        self._next = 0
        for policy in policies:
            self.add(policy)

    def __len__(self) -> int:
        """Return how many policies there are."""
        return len(self._by_id)

    def __contains__(self, policy_id: object) -> bool:
        """Whether there is a policy of that id."""
        return policy_id in self._by_id

    def get(self, policy_id: str) -> Policy | None:
        """Return the policy of an id."""
        return self._by_id.get(policy_id)

    def all(self) -> Iterable[Policy]:
        """Return all policies in ledger order."""
        return self._by_id.values()

    def types(self) -> list[str]:
        """Return the types that there are, sorted."""
        return sorted(self._by_type)

    def of_type(self, kind: str) -> Iterable[Policy]:
        """Return the policies of a type in ledger order."""
        return self._by_type.get(kind, {}).values()

    # --------------------------------------------------------------- changes

    def add(self, policy: Policy) -> None:
        """Put a policy behind all others; one with its id leaves."""
        self.remove(policy.id)
        self._by_id[policy.id] = policy
        self._by_type.setdefault(policy.type, {})[policy.id] = policy
        self._places[policy.id] = self._next
        self._next += 1
        for (kind, name), values in self._values.items():
            if kind in (None, policy.type):
                values.add(policy, name)

    def put(self, policy: Policy) -> None:
        """Put a policy in the place of the one with its id and type."""
        before = self._by_id[policy.id]
        for (kind, name), values in self._values.items():
            if kind in (None, policy.type):
                values.remove(before, name)
                values.add(policy, name)
        self._by_id[policy.id] = policy
        self._by_type[policy.type][policy.id] = policy

    def remove(self, policy_id: str) -> None:
        """Take a policy out, if it is there."""
        policy = self._by_id.pop(policy_id, None)
        if policy is None:
            return
        alike = self._by_type[policy.type]
        del alike[policy_id], self._places[policy_id]
        if not alike:
            del self._by_type[policy.type]
        for (kind, name), values in self._values.items():
            if kind in (None, policy.type):
                values.remove(policy, name)

    # ---------------------------------------------------------------- lookups

    def having(self, kind: str, wanted: Mapping[str, Any]) -> list[Policy]:
        """Return the policies of a type whose attributes have exactly these values."""
        found = min(
            (self._values_of(kind, name).equal(value) for name, value in wanted.items()), key=len
        )
        return [
            policy
            for policy in found.values()
            if all(_same(policy.body.get(name), value) for name, value in wanted.items())
        ]

    def find(self, types: Sequence[str] | None, predicate: Predicate | None) -> list[Policy]:
        """Return the policies of these types that fulfil a condition, in ledger order.

        Parameters
        ----------
        types : sequence of str or None
            ``None``, nothing or ``*`` among them stands for all.
        """
        every = not types or _WILD in types
        one = types[0] if types and not every and len(types) == 1 else None
        if predicate is None:
            return list(self._of_types(types, every=every))
        near = self._candidates(one, predicate)
        if near is None:
            found = self._of_types(types, every=every)
        else:
            found = sorted(near.values(), key=lambda policy: self._places[policy.id])
            if not every and one is None:
                wanted = frozenset(types or ())
                found = [policy for policy in found if policy.type in wanted]
        return [policy for policy in found if matches(policy, predicate)]

    def _of_types(self, types: Sequence[str] | None, *, every: bool) -> Iterable[Policy]:
        if every or types is None:
            return self._by_id.values()
        if len(types) == 1:
            return self.of_type(types[0])
        wanted = frozenset(types)
        return (policy for policy in self._by_id.values() if policy.type in wanted)

    def _candidates(self, kind: str | None, predicate: Predicate) -> dict[str, Policy] | None:
        """Return all that may fulfil a condition, ``None`` if no index helps."""
        match predicate:
            case Compare((str() as name,), sign, value) if not isinstance(value, Attribute):
                if sign in ("=", "=="):
                    return self._values_of(kind, name).near([value])
                return self._values_of(kind, name).near(value) if sign == "with" else None
            case AllOf(parts):
                near = (self._candidates(kind, part) for part in parts)
                return min((found for found in near if found is not None), key=len, default=None)
            case AnyOf(parts):
                united: dict[str, Policy] = {}
                for part in parts:
                    found = self._candidates(kind, part)
                    if found is None:
                        return None
                    united.update(found)
                return united
        return None

    def _values_of(self, kind: str | None, name: str) -> _Values:
        values = self._values.get((kind, name))
        if values is None:
            values = _Values()
            for policy in self._by_id.values() if kind is None else self.of_type(kind):
                values.add(policy, name)
            self._values[kind, name] = values
        return values


class _Values:
    """Policies by the values of one attribute; numbers by what they are, all else as text."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[str | float, dict[str, Policy]] = {}

    def add(self, policy: Policy, name: str) -> None:
        """Take a policy in, if it has the attribute."""
        for key in _keys(policy.body.get(name, _Values)):
            self._found.setdefault(key, {})[policy.id] = policy

    def remove(self, policy: Policy, name: str) -> None:
        """Forget a policy."""
        for key in _keys(policy.body.get(name, _Values)):
            alike = self._found.get(key)
            if alike is not None:
                alike.pop(policy.id, None)
                if not alike:
                    del self._found[key]

    def equal(self, value: Any) -> dict[str, Policy]:
        """Return what may have exactly this value."""
        found: dict[str, Policy] = {}
        for key in _keys(value):
            found.update(self._found.get(key, {}))
        return found

    def near(self, wanted: Sequence[Any]) -> dict[str, Policy]:
        """Return what may be equal to one of the values as conditions compare."""
        keys: set[str | float] = {_WILD}
        for value in wanted:
            text = text_in(value)
            keys |= {text, text.lower()}
            number = number_in(value)
            if number is not None:
                keys.add(number)
        found: dict[str, Policy] = {}
        for key in keys:
            found.update(self._found.get(key, {}))
        return found


def _keys(value: Any) -> Iterable[str | float]:
    """Return under what a value is found."""
    if value is _Values:
        return ()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value,)
    if isinstance(value, list):
        return {str(value).lower(), *(entry for entry in value if isinstance(entry, str))}
    return (text_in(value).lower(),)


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other
