"""The part ``costs``: what a node costs before it has work, and what it keeps of work done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from bench.idle_memory import connection_memory, idle_memory
from bench.part import Settings
from bench.soak import SoakSize, soak
from bench.start_up import start_up
from bench.tables import MIB, new_table

__all__ = ["CostsPart"]

_CONNECTIONS = (0, 1000, 3000, 9000)
_SOAK = SoakSize(kept=10_000_000, connections=200_000)
_QUICK_SOAK = SoakSize(kept=300_000, connections=10_000)
_RUNS, _QUICK_RUNS = 10, 5


class CostsPart:
    """Start-up, memory when idle, memory over connections, and a soak.

    Parameters
    ----------
    connections : sequence of int
        Numbers of idle connections to measure at.
    size : SoakSize or None
        Of the soak, by default according to the settings.
    """

    name = "costs"

    def __init__(
        self, connections: Sequence[int] = _CONNECTIONS, size: SoakSize | None = None
    ) -> None:
        self._connections = connections
        self._size = size

    def run(self, settings: Settings, progress: Callable[[str], None]) -> dict[str, Any]:
        """Measure everything, one after the other.

        Raises
        ------
        RuntimeError
            The node, a server or the load generator failed.
        """
        times = start_up(_QUICK_RUNS if settings.quick else _RUNS, progress)
        progress("memory of an idle node")
        idle = idle_memory()
        connections = connection_memory(self._connections, settings.threads, progress)
        size = self._size or (_QUICK_SOAK if settings.quick else _SOAK)
        return {
            "start_up": [one.as_json() for one in times],
            "idle_memory": asdict(idle),
            "connections": [one.as_json() for one in connections],
            "soak": soak(size, settings.threads, progress).as_json(),
        }

    def show(self, console: Console, found: dict[str, Any]) -> None:
        """Print a table of each."""
        table = new_table("start-up", ["command"], ["median ms", "least ms", "x python"])
        for one in found["start_up"]:
            cells = [f"{one[field] * 1e3:.0f}" for field in ("median_s", "least_s")]
            table.add_row(one["name"], *cells, f"{one['ratio']:.1f}")
        console.print(table)
        table = new_table("idle node", ["memory"], ["MiB"])
        for kind in ("resident", "private"):
            table.add_row(kind, f"{found['idle_memory'][f'{kind}_bytes'] / MIB:.1f}")
        console.print(table)
        _show_connections(console, found["connections"])
        _show_soak(console, found["soak"])


def _show_connections(console: Console, found: list[dict[str, Any]]) -> None:
    numbers = ["MiB", "bytes each", "MiB after a message", "bytes each "]
    table = new_table("idle connections", [], ["connections", *numbers])
    for one in found:
        table.add_row(
            f"{one['connections']:,}",
            f"{one['resident_bytes'] / MIB:.1f}",
            f"{one['per_connection_bytes']:,.0f}",
            f"{one['used_resident_bytes'] / MIB:.1f}",
            f"{one['used_per_connection_bytes']:,.0f}",
        )
    console.print(table)


def _show_soak(console: Console, found: dict[str, Any]) -> None:
    title = (
        f"{found['messages']:,} messages, {found['connection_messages']:,} on their own connection"
    )
    table = new_table(title, ["moment"], ["resident MiB", "descriptors"])
    for word, moment in (("after 5 %", "before"), ("at the end", "after")):
        resident = f"{found[f'resident_{moment}'] / MIB:.2f}"
        table.add_row(word, resident, str(found[f"descriptors_{moment}"]))
    console.print(table)
