"""Calls while others are in the way."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from bench.part import Settings
from bench.rest.calls import STATUS
from bench.rest.servers import Servers, measure
from bench.rest.trouble import TROUBLES

__all__ = ["CONNECTIONS", "crowd"]

CONNECTIONS = 64


def crowd(
    servers: Servers, settings: Settings, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return what callers of ``get status`` see beside each kind of trouble, in turns.

    Raises
    ------
    RuntimeError
        A call failed.
    """
    progress("calls beside trouble")
    rounds: list[dict[str, dict[str, float]]] = []
    for _ in range(settings.rounds):
        found = {}
        for name, trouble in TROUBLES.items():
            with trouble(servers.node.port):
                one = measure(servers.node, STATUS, CONNECTIONS, settings.seconds).found
            found[name] = {"rate": one.rate, "p99_ms": one.p99_ms, "max_ms": one.max_ms}
        rounds.append(found)
    alone = next(iter(TROUBLES))
    return [
        {
            "beside": name,
            **{
                field: median(one[name][field] for one in rounds)
                for field in ("rate", "p99_ms", "max_ms")
            },
            **{
                f"{field}_ratio": median(one[name][field] / one[alone][field] for one in rounds)
                for field in ("rate", "p99_ms")
            },
        }
        for name in TROUBLES
    ]
