"""Which nodes the destinations of a command are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgelake import limits
from edgelake.commands.bringing import addresses
from edgelake.commands.conditions import predicate
from edgelake.commands.context import Context
from edgelake.errors import BadDestination, NoDestination
from edgelake.language import (
    IP_PORT,
    Boolean,
    Call,
    Destinations,
    HostedTable,
    Integer,
    PolicyQuery,
)
from edgelake.ledger import Policy
from edgelake.wire import Endpoint, parse_endpoint

__all__ = ["destination_options", "resolve"]

_ALIVE = ("active", "static")
_MAX_TIMEOUT_S = 86_400


def destination_options(call: Call) -> tuple[bool, float | None]:
    """Return whether some replies suffice, and how long to wait for them, in seconds.

    Raises
    ------
    WrongValue
    """
    options = call.arguments["destination"].options
    subset = Boolean().parse(options.get("subset", "false"))
    timeout = options.get("timeout")
    return subset, None if timeout is None else float(Integer(1, _MAX_TIMEOUT_S).parse(timeout))


def resolve(context: Context, call: Call) -> list[Endpoint]:
    """Return the nodes that a call is for; those that policies name stand once.

    Raises
    ------
    BadDestination
        An address is wrong or stands twice, or there are too many.
    NoDestination
        No policy fits.
    """
    destinations: Destinations = call.arguments["destination"]
    column = call.column("destination")
    try:
        found = [parse_endpoint(text) for text in destinations.addresses]
    except BadDestination as exc:
        exc.column = column
        raise
    if len(set(found)) != len(found):
        raise BadDestination("a destination is given twice", column=column)
    try:
        for query in destinations.queries:
            found += [node for node in _nodes(context, query) if node not in found]
    except BadDestination as exc:
        exc.column = column
        raise
    if not found:
        raise NoDestination(
            "no destination", hint="write (ip:port), or name policies that exist", column=column
        )
    if len(found) > limits.MAX_DESTINATIONS:
        raise BadDestination(
            f"{len(found)} destinations exceed {limits.MAX_DESTINATIONS}", column=column
        )
    return found


# ------------------------------------------------------------------- parts


def _nodes(context: Context, query: PolicyQuery | HostedTable) -> list[Endpoint]:
    """Return the nodes that policies describe, each once."""
    ledger = context.node.ledger
    if isinstance(query, HostedTable):
        policies, bring = _hosts(context, query), IP_PORT
    else:
        test = predicate(query.condition, context.variables) if query.condition else None
        policies, bring = ledger.find(query.types, test), query.bring
    found = addresses(context, [policy.content() for policy in policies], bring)
    return [parse_endpoint(text.strip()) for text in found]


def _hosts(context: Context, table: HostedTable) -> list[Policy]:
    """Return the operators of the clusters that keep a table."""
    ledger = context.node.ledger
    clusters = {
        name
        for policy in ledger.find(("cluster",))
        if _keeps(policy.body, table)
        for name in _cluster_ids(policy)
    }
    return [
        policy for policy in ledger.find(("operator",)) if policy.body.get("cluster") in clusters
    ]


def _keeps(body: dict[str, Any], table: HostedTable) -> bool:
    if body.get("status", "active") not in _ALIVE:
        return False
    tables = body.get("table")
    return isinstance(tables, list) and any(
        isinstance(entry, dict)
        and (entry.get("dbms"), entry.get("name")) == (table.dbms, table.table)
        and entry.get("status", "active") in _ALIVE
        for entry in tables
    )


def _cluster_ids(policy: Policy) -> Iterator[str]:
    """Yield the id under which operators name a cluster: that of its parent, if it has one."""
    parent = policy.body.get("parent")
    yield parent if isinstance(parent, str) else policy.id
