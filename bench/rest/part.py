"""The part ``rest``: calls by HTTP, beside a bare application on the same server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console

from bench.part import Settings
from bench.rest import calls, crowd
from bench.rest.servers import POLICIES, running_servers
from bench.rest.tables import TABLES
from bench.tables import new_table

__all__ = ["RestPart"]


class RestPart:
    """Calls over the number of callers, of several kinds, and beside others in the way.

    Parameters
    ----------
    connections : tuple of int
        Callers at once.
    policies : int
        Of the node's ledger.
    """

    name = "rest"

    def __init__(
        self, connections: tuple[int, ...] = calls.CONNECTIONS, policies: int = POLICIES
    ) -> None:
        self._connections = connections
        self._policies = policies

    def steps(self, settings: Settings) -> int:
        """Return how many lines of progress there will be."""
        return len(self._connections) + len(calls.KINDS) + 1

    def run(self, settings: Settings, progress: Callable[[str], None]) -> dict[str, Any]:
        """Measure.

        Raises
        ------
        RuntimeError
            wrk is not installed, a server failed, or a call did.
        """
        with running_servers(self._policies) as servers:
            return {
                "connections": calls.over_connections(
                    servers, settings, progress, self._connections
                ),
                "kinds": calls.over_kinds(servers, settings, progress),
                "crowd": crowd.crowd(servers, settings, progress),
            }

    def show(self, console: Console, found: Mapping[str, Any]) -> None:
        """Print a table of each scenario."""
        for scenario in TABLES:
            words = scenario.headings[: scenario.words]
            table = new_table(scenario.title, words, scenario.headings[scenario.words :])
            for row in scenario.rows(found):
                table.add_row(*row)
            console.print(table)
