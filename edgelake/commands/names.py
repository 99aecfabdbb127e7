"""Names that a node knows at this moment, for completion: read from memory, never waited for."""

from __future__ import annotations

import os
from collections.abc import Mapping

from edgelake.commands.context import NodeParts
from edgelake.language import HIDDEN, is_secret_name

__all__ = ["NODE_TYPES", "KnownNames", "NamesForCallers"]

NODE_TYPES = ("master", "operator", "query", "publisher")
"""Types of the policies that describe nodes."""


class KnownNames:
    """What the node's own console is offered.

    Parameters
    ----------
    node : NodeParts
    """

    def __init__(self, node: NodeParts) -> None:
        self._node = node

    def variables(self) -> dict[str, str]:
        """Return the variables with their values."""
        return dict(self._node.variables.items())

    def environment(self) -> Mapping[str, str]:
        """Return the environment that ``$NAME`` refers to."""
        return os.environ

    def databases(self) -> list[str]:
        """Return the names of the connected databases."""
        return self._node.databases.names()

    def tables(self) -> list[str]:
        """Return the names of the tables that policies describe."""
        found = (policy.body.get("name") for policy in self._node.ledger.known(("table",)))
        return sorted({name for name in found if isinstance(name, str)} | {"ledger"})

    def policy_types(self) -> list[str]:
        """Return the types of the policies in memory."""
        return self._node.ledger.known_types()

    def addresses(self) -> dict[str, str]:
        """Return the addresses of nodes that policies describe, with their names."""
        found: dict[str, str] = {}
        for policy in self._node.ledger.known(NODE_TYPES):
            ip, port, name = (policy.body.get(key) for key in ("ip", "port", "name"))
            if isinstance(ip, str) and isinstance(port, int):
                found[f"{ip}:{port}"] = f"{policy.type} {name}" if name else policy.type
        return found

    def service_names(self) -> list[str]:
        """Return the names that ``exit`` takes."""
        return self._node.services.names()


class NamesForCallers(KnownNames):
    """What callers from outside are offered: no environment, and no value that is secret."""

    def variables(self) -> dict[str, str]:
        """Return the variables, with the values that a peer might read."""
        found = self._node.variables.for_peers().items()
        return {name: HIDDEN if is_secret_name(name) else value for name, value in found}

    def environment(self) -> Mapping[str, str]:
        """Return nothing."""
        return {}
