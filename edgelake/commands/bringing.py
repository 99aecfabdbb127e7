"""What ``bring`` makes of the policies or objects a command found, as its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edgelake.commands.context import Context
from edgelake.commands.rendering import render_table
from edgelake.interfaces import Bring, Result
from edgelake.ledger import bring, children_of

__all__ = ["addresses", "brought"]


def brought(
    context: Context,
    objects: Sequence[Any],
    wanted: Bring,
    *,
    policies: Sequence[Any] | None = None,
) -> Result:
    """Return the answer that ``bring`` makes of objects.

    Parameters
    ----------
    context : Context
    objects : sequence
        JSON data: policies in ledger order, or any objects.
    wanted : Bring
    policies : sequence or None
        Among which children are looked for; ``None`` for the local ledger.

    Raises
    ------
    CommandError
        The answer would be too large.
    """
    if "children" in wanted.modifiers:
        if policies is None:
            policies = [policy.content() for policy in context.node.ledger.find()]
        objects = children_of(objects, policies)
    found = bring(objects, wanted, own_addresses=_own_addresses(context))
    text = render_table(found.table) if found.table is not None else found.text
    # Existing nodes take the answer of a peer for text, whatever its form is.
    json = found.json and context.origin.local
    return Result(found.data, text, json=json, shown=found.table)


def addresses(context: Context, objects: Sequence[Any], wanted: Bring) -> tuple[str, ...]:
    """Return the addresses that ``bring`` takes out of policies, each once.

    Parameters
    ----------
    context : Context
    objects : sequence
        Policies.
    wanted : Bring
        ``ip_port``, or items that make ``ip:port``; its form is not looked at.
    """
    modifiers = wanted.modifiers - {"json", "table", "list", "count"}
    data = brought(context, objects, replace(wanted, modifiers=modifiers)).data
    return tuple(dict.fromkeys(data))


def _own_addresses(context: Context) -> frozenset[str]:
    """Return the addresses by which other networks know this node."""
    listening = context.node.address()
    known = (listening.host if listening else None, context.node.variables.get("external_ip"))
    return frozenset(address for address in known if address)
