"""What policies of each type have to hold, as data, and the one check of it.

A node checks a change against its own ledger before it sends it; the master checks it again
where changes come one after the other, and its word counts. Types that are not listed here
have no rules.

Notes
-----
Source: ledger reference, "Validation per type".
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from edgelake.errors import PolicyInvalid, PolicyMissing, PolicyNotUnique
from edgelake.ledger.mapping_rules import check_mapping
from edgelake.ledger.policy import Policy, policy_of

__all__ = [
    "RULES",
    "STORED_TYPES",
    "AttributeRule",
    "Kind",
    "PolicyLookup",
    "TypeRules",
    "check",
    "fault_of",
    "with_defaults",
]

_MEMBERS = range(1, 256)


class Kind(Enum):
    """What a value of an attribute has to be; the value is how messages call it."""

    TEXT = "a text"
    INTEGER = "a whole number"
    FLAG = "true or false"
    LIST = "a list"
    OBJECT = "an object"


_PYTHON: Mapping[Kind, type] = {
    Kind.TEXT: str,
    Kind.INTEGER: int,
    Kind.FLAG: bool,
    Kind.LIST: list,
    Kind.OBJECT: dict,
}


class PolicyLookup(Protocol):
    """Where a check looks for other policies; see `edgelake.ledger.PolicyIndex`."""

    def get(self, policy_id: str) -> Policy | None:
        """Return the policy of an id."""

    def having(self, kind: str, wanted: Mapping[str, Any]) -> list[Policy]:
        """Return the policies of a type whose attributes have exactly these values."""


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """One attribute.

    Attributes
    ----------
    default : Any
        What a new policy gets where it has none; ``None`` for nothing.
    entries : tuple of AttributeRule
        Of the objects in a list.
    """

    name: str
    kind: Kind
    required: bool = False
    default: Any = None
    entries: tuple[AttributeRule, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeRules:
    """The rules of one type.

    Attributes
    ----------
    unique : tuple
        Attributes whose values together only one policy of the type may have. Those that
        lack one of them are not compared.
    free_with : str
        An attribute with which a policy may have values that others have.
    further : tuple of callable
        What is no question of one attribute.
    """

    attributes: tuple[AttributeRule, ...]
    unique: tuple[tuple[str, ...], ...] = ()
    free_with: str = ""
    further: tuple[Callable[[Policy, PolicyLookup], None], ...] = ()


def check(policy: Policy, state: PolicyLookup) -> None:
    """Check a complete policy against the rules of its type and all other policies.

    Parameters
    ----------
    policy : Policy
    state : PolicyLookup
        The ledger that it is to enter. A policy there with the same id is the one that
        this one replaces: it is not compared.

    Raises
    ------
    PolicyInvalid
        An attribute is missing or of another kind.
    PolicyNotUnique
        Another policy has values that only one may have.
    PolicyMissing
        It names a policy that is not there.
    """
    rules = RULES.get(policy.type)
    if rules is None:
        return
    _check_attributes(policy, rules.attributes)
    if not (rules.free_with and rules.free_with in policy.body):
        for names in rules.unique:
            _check_unique(policy, names, state)
    for further in rules.further:
        further(policy, state)


def with_defaults(policy: Policy, state: PolicyLookup) -> Policy:
    """Return a new policy with what its type has by default: ``status``, ``member``.

    Parameters
    ----------
    policy : Policy
        With its id, into which defaults do not enter.
    state : PolicyLookup
        Members of a cluster that are taken.

    Raises
    ------
    PolicyNotUnique
        The cluster has no member number left.
    """
    rules = RULES.get(policy.type)
    if rules is None:
        return policy
    body = _completed(policy.body, rules.attributes)
    if policy.type == "operator" and "member" not in body and isinstance(body.get("cluster"), str):
        body["member"] = _free_member(body["cluster"], state)
    if "ledger" in policy.body and body.keys() != policy.body.keys():
        body["ledger"] = body.pop("ledger")
    return policy if body == policy.body else policy_of({policy.type: body})


def fault_of(policy: Policy) -> str | None:
    """Return why a policy that is stored already is no use to any node; ``None`` if it is.

    These are fewer rules than those for new policies: a ledger of the network holds what
    its nodes took at other times.
    """
    wanted = _STORED.get(policy.type)
    if wanted is None:
        return None
    try:
        _check_attributes(policy, wanted)
    except PolicyInvalid as exc:
        return str(exc)
    return None


# ------------------------------------------------------------------- checks


def _check_attributes(policy: Policy, attributes: Iterable[AttributeRule]) -> None:
    kind, body = policy.type, policy.body
    for rule in attributes:
        if rule.name not in body:
            if rule.required:
                raise PolicyInvalid(
                    f"policy '{kind}' without '{rule.name}'",
                    hint=f"add {rule.name}: {rule.kind.value}",
                )
            continue
        value = body[rule.name]
        _check_kind(f"'{rule.name}' of policy '{kind}'", value, rule.kind)
        if rule.entries:
            _check_entries(kind, rule, value)


def _check_entries(kind: str, rule: AttributeRule, entries: list[Any]) -> None:
    for number, entry in enumerate(entries, 1):
        place = f"entry {number} of '{rule.name}' of policy '{kind}'"
        _check_kind(place, entry, Kind.OBJECT)
        for inner in rule.entries:
            if inner.name in entry:
                _check_kind(f"'{inner.name}' in {place}", entry[inner.name], inner.kind)
            elif inner.required:
                raise PolicyInvalid(f"{place} without '{inner.name}'")


def _check_kind(what: str, value: Any, kind: Kind) -> None:
    python = _PYTHON[kind]
    if not isinstance(value, python) or (isinstance(value, bool) and python is int):
        raise PolicyInvalid(f"{what} is not {kind.value}", hint=f"write {kind.value}")


def _check_unique(policy: Policy, names: tuple[str, ...], state: PolicyLookup) -> None:
    if not all(name in policy.body for name in names):
        return
    wanted = {name: policy.body[name] for name in names}
    for other in state.having(policy.type, wanted):
        if other.id != policy.id:
            values = " and ".join(f"{name} '{value}'" for name, value in wanted.items())
            raise PolicyNotUnique(
                f"{values} of policy '{policy.type}' is not unique: '{other.id}' has it",
                hint=f"look at it with: blockchain get {policy.type} where id = {other.id}",
            )


def _check_cluster_tables(policy: Policy, state: PolicyLookup) -> None:
    seen: set[tuple[str, str]] = set()
    for entry in policy.body.get("table", ()):
        table = (entry["dbms"], entry["name"])
        if table in seen:
            raise PolicyInvalid(f"policy 'cluster' names table '{table[0]}.{table[1]}' twice")
        seen.add(table)


def _check_cluster_parent(policy: Policy, state: PolicyLookup) -> None:
    parent = policy.body.get("parent")
    if parent is None:
        return
    found = state.get(parent)
    alike = found is not None and found.type == "cluster"
    if not alike or found is None:
        raise _not_there("cluster", "parent", parent, "cluster")
    for name in ("name", "company"):
        if found.body.get(name) != policy.body[name]:
            raise PolicyMissing(
                f"the parent '{parent}' of policy 'cluster' has another {name}:"
                f" '{found.body.get(name)}', not '{policy.body[name]}'"
            )


def _names_one(attribute: str, kind: str) -> Callable[[Policy, PolicyLookup], None]:
    """Return the check that an attribute, where it is given, is the id of a policy of a type."""

    def check_one(policy: Policy, state: PolicyLookup) -> None:
        named = policy.body.get(attribute)
        if named is None:
            return
        found = state.get(named)
        if found is None or found.type != kind:
            raise _not_there(policy.type, attribute, named, kind)

    return check_one


def _not_there(kind: str, attribute: str, named: str, wanted: str) -> PolicyMissing:
    return PolicyMissing(
        f"'{attribute}' of policy '{kind}' names no policy of type '{wanted}': '{named}'",
        hint=f"insert that {wanted} first; list ids with: blockchain get {wanted} bring [*][id]",
    )


def _check_operator_address(policy: Policy, state: PolicyLookup) -> None:
    if not 0 < policy.body["port"] < 65_536:
        raise PolicyInvalid(f"'port' of policy 'operator' is {policy.body['port']}, not 1 to 65535")


def _check_root_member(policy: Policy, state: PolicyLookup) -> None:
    if policy.body["type"] == "root":
        for other in state.having("member", {"type": "root"}):
            if other.id != policy.id:
                raise PolicyNotUnique(f"there is a root member already: '{other.id}'")


def _check_tag_node(policy: Policy, state: PolicyLookup) -> None:
    if "node_iid" not in policy.body and "node_sid" not in policy.body:
        raise PolicyInvalid("policy 'tag' without 'node_iid' or 'node_sid'", hint="add one of them")


def _check_uns_table(policy: Policy, state: PolicyLookup) -> None:
    if "table" in policy.body and "dbms" not in policy.body:
        raise PolicyInvalid("policy 'uns' with 'table' but without 'dbms'", hint="add dbms: a text")


# ----------------------------------------------------------------- defaults


def _completed(body: Mapping[str, Any], attributes: Iterable[AttributeRule]) -> dict[str, Any]:
    made = dict(body)
    for rule in attributes:
        if rule.name not in made:
            if rule.default is not None:
                made[rule.name] = rule.default
        elif rule.entries and isinstance(made[rule.name], list):
            made[rule.name] = [
                _completed(entry, rule.entries) if isinstance(entry, dict) else entry
                for entry in made[rule.name]
            ]
    return made


def _free_member(cluster: str, state: PolicyLookup) -> int:
    others = state.having("operator", {"cluster": cluster})
    taken = {other.body.get("member") for other in others}
    free = [number for number in _MEMBERS if number not in taken]
    if not free:
        raise PolicyNotUnique(
            f"cluster '{cluster}' has {len(_MEMBERS)} members", hint="name another cluster"
        )
    return random.choice(free)


# -------------------------------------------------------------------- rules


def _required(kind: Kind, *names: str) -> tuple[AttributeRule, ...]:
    return tuple(AttributeRule(name, kind, required=True) for name in names)


def _optional(kind: Kind, *names: str) -> tuple[AttributeRule, ...]:
    return tuple(AttributeRule(name, kind) for name in names)


_T, _I, _F, _L, _O = Kind.TEXT, Kind.INTEGER, Kind.FLAG, Kind.LIST, Kind.OBJECT
_STATUS = AttributeRule("status", _T, default="active")

RULES: Mapping[str, TypeRules] = {
    "cluster": TypeRules(
        (
            *_required(_T, "company", "name"),
            _STATUS,
            AttributeRule("table", _L, entries=(*_required(_T, "dbms", "name"), _STATUS)),
            *_optional(_T, "parent"),
        ),
        unique=(("name",),),
        free_with="parent",
        further=(_check_cluster_tables, _check_cluster_parent),
    ),
    "operator": TypeRules(
        (
            *_required(_T, "company", "name", "ip"),
            *_required(_I, "port"),
            *_required(_T, "cluster"),
            *_optional(_I, "member"),
            *_optional(_F, "main"),
        ),
        unique=(("ip", "port"), ("company", "name"), ("cluster", "member"), ("name",)),
        further=(_check_operator_address, _names_one("cluster", "cluster")),
    ),
    "table": TypeRules(
        (*_required(_T, "name", "dbms", "create"), *_optional(_T, "company")),
        unique=(("dbms", "name"),),
    ),
    "mapping": TypeRules(
        (
            *_required(_T, "dbms", "table"),
            *_required(_O, "schema"),
            *_optional(_T, "condition"),
            *_optional(_O, "import"),
        ),
        further=(check_mapping,),
    ),
    "transform": TypeRules(_required(_T, "dbms", "table", "column")),
    "member": TypeRules(
        _required(_T, "type", "public_key"),
        unique=(("public_key",),),
        further=(_check_root_member,),
    ),
    "permissions": TypeRules(
        (
            *_required(_T, "name"),
            *_required(_L, "enable"),
            *_required(_T, "public_key", "signature"),
            *_optional(_L, "disable", "databases", "tables"),
        ),
        unique=(("name",),),
    ),
    "assignment": TypeRules(
        (
            *_required(_T, "permissions"),
            *_required(_L, "members"),
            *_required(_T, "public_key", "signature"),
        )
    ),
    "license": TypeRules(
        _required(_T, "activation_key", "company", "expiration", "type"),
        unique=(("activation_key",), ("company",), ("expiration",), ("type",)),
    ),
    "tag": TypeRules(
        (
            *_required(_T, "dbms", "table"),
            *_required(_I, "ns"),
            *_optional(_T, "node_iid", "node_sid"),
        ),
        unique=(
            ("dbms", "table"),
            ("dbms", "table", "node_iid"),
            ("dbms", "table", "node_sid"),
        ),
        further=(_check_tag_node,),
    ),
    "bucket": TypeRules(_required(_T, "name", "operator"), unique=(("name",),)),
    "uns": TypeRules(
        (*_required(_T, "name", "namespace"), *_optional(_T, "parent", "dbms", "table")),
        unique=(("namespace",), ("dbms", "table", "name")),
        further=(_names_one("parent", "uns"), _check_uns_table),
    ),
}
"""The rules by type."""

_STORED: Mapping[str, tuple[AttributeRule, ...]] = {
    "table": _required(_T, "name", "dbms", "create"),
    "operator": (
        *_required(_T, "company", "name", "ip"),
        *_required(_I, "port"),
        *_optional(_I, "member"),
        *_optional(_T, "cluster"),
        *_optional(_F, "main"),
    ),
}

STORED_TYPES = frozenset(_STORED)
"""Types of which `fault_of` can say anything."""
