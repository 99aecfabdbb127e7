"""What clusters and operators say together: which node keeps which table.

Made from the policies whenever it is asked for, so that it is always what they say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgelake.ledger.index import PolicyIndex
from edgelake.ledger.policy import Policy

__all__ = ["ClusterEntry", "MetadataLayer", "OperatorEntry", "metadata_of"]

_ACTIVE = frozenset({"active", "static"})


@dataclass(frozen=True, slots=True)
class OperatorEntry:
    """A node that keeps the tables of a cluster."""

    id: str
    name: str
    address: str
    member: int
    status: str
    main: bool


@dataclass(frozen=True, slots=True)
class ClusterEntry:
    """A cluster as one table sees it."""

    id: str
    name: str
    operators: tuple[OperatorEntry, ...]


@dataclass(frozen=True, slots=True)
class MetadataLayer:
    """Who keeps which table.

    Attributes
    ----------
    tables : dict
        By company, database and table: the clusters that have it.
    faults : tuple of str
        What does not fit together.
    clusters : int
        How many clusters are in use.
    """

    tables: dict[str, dict[str, dict[str, tuple[ClusterEntry, ...]]]]
    faults: tuple[str, ...]
    clusters: int


def metadata_of(state: PolicyIndex) -> MetadataLayer:
    """Return which clusters have which tables, and which operators belong to these."""
    faults: list[str] = []
    roots = {
        policy.id: policy
        for policy in state.of_type("cluster")
        if _in_use(policy) and not policy.body.get("parent")
    }
    operators = _operators(state.of_type("operator"), set(roots), faults)
    tables: dict[str, dict[str, dict[str, tuple[ClusterEntry, ...]]]] = {}
    for policy in state.of_type("cluster"):
        if not _in_use(policy):
            continue
        root = roots.get(str(policy.body.get("parent") or policy.id))
        if root is None:
            faults.append(f"cluster '{policy.id}': its parent is not there, or not active")
            continue
        entry = ClusterEntry(
            root.id, str(root.body.get("name", "")), tuple(operators.get(root.id, ()))
        )
        for dbms, table in _tables(policy, faults):
            company = tables.setdefault(str(policy.body.get("company", "")), {})
            database = company.setdefault(dbms, {})
            known = database.get(table, ())
            if entry not in known:
                database[table] = (*known, entry)
    for root_id, root in roots.items():
        if root_id not in operators:
            faults.append(f"cluster '{root_id}' ({root.body.get('name', '')}) has no operator")
    return MetadataLayer(tables, tuple(faults), len(roots))


def _in_use(policy: Policy) -> bool:
    return policy.body.get("status", "active") in _ACTIVE


def _tables(policy: Policy, faults: list[str]) -> Iterable[tuple[str, str]]:
    listed: Any = policy.body.get("table", ())
    for entry in listed if isinstance(listed, list) else ():
        dbms = entry.get("dbms") if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(dbms, str) or not isinstance(name, str):
            faults.append(f"cluster '{policy.id}' names a table without dbms or name")
        elif entry.get("status", "active") in _ACTIVE:
            yield dbms, name


def _operators(
    policies: Iterable[Policy], clusters: set[str], faults: list[str]
) -> dict[str, list[OperatorEntry]]:
    found: dict[str, list[OperatorEntry]] = {}
    addresses: dict[str, str] = {}
    for policy in policies:
        body = policy.body
        cluster, ip, port = body.get("cluster"), body.get("ip"), body.get("port")
        if not isinstance(ip, str) or not isinstance(port, int):
            faults.append(f"operator '{policy.id}' has no ip or port")
            continue
        address = f"{ip}:{port}"
        if address in addresses:
            faults.append(f"operators '{addresses[address]}' and '{policy.id}' have {address}")
            continue
        addresses[address] = policy.id
        if not isinstance(cluster, str) or cluster not in clusters:
            faults.append(f"operator '{policy.id}' belongs to no cluster: '{cluster}'")
            continue
        member = body.get("member")
        found.setdefault(cluster, []).append(
            OperatorEntry(
                policy.id,
                str(body.get("name", "")),
                address,
                member if isinstance(member, int) else 0,
                str(body.get("status", "active")),
                body.get("main") is True,
            )
        )
    return found
