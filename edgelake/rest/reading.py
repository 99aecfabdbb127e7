"""The figures of a node at one moment, as its services keep them; nothing is counted here."""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from typing import Any

from edgelake.commands import NodeParts
from edgelake.commands.relay import relay_figures
from edgelake.interfaces import ServiceState
from edgelake.rest.health import Health, health_of
from edgelake.services.rest import RestService
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.tcp import TcpService

__all__ = ["Reading"]

_THREADS = "/proc/self/task"


class Reading:
    """What the services of a node count, each part read once and when it is first asked for.

    Parameters
    ----------
    node : NodeParts
    rest : RestService

    Notes
    -----
    For one thread. Nothing in it depends on how large the ledger is: counts and sizes are
    kept by who has the thing.
    """

    def __init__(self, node: NodeParts, rest: RestService) -> None:
        self.node = node
        self.rest = rest

    @cached_property
    def health(self) -> Health:
        """Whether the node is fit for work."""
        return health_of(self.node)

    @cached_property
    def services(self) -> dict[str, bool]:
        """Which kinds of service run."""
        found = {name: False for name in self.node.services.names()}
        for kind, state in self.node.services.states():
            found[kind.name] = state is ServiceState.RUNNING
        return found

    @cached_property
    def log(self) -> dict[str, Any]:
        """Figures of the log file; nothing if there is none."""
        file = self.node.logs.file
        return file.figures() if file is not None else {}

    # -------------------------------------------------------------- tcp

    @cached_property
    def tcp(self) -> TcpService | None:
        """The TCP service."""
        return self.node.services.find(TcpService)

    @cached_property
    def _tcp_figures(self) -> dict[str, dict[str, int]]:
        return self.tcp.figures() if self.tcp is not None else {}

    @property
    def server(self) -> dict[str, int]:
        """Counters of the message server; nothing if there is none."""
        return self._tcp_figures.get("server", {})

    @property
    def sender(self) -> dict[str, int]:
        """Counters of the sender; nothing if there is none."""
        return self._tcp_figures.get("sender", {})

    @cached_property
    def bounds(self) -> dict[str, int | float]:
        """Limits of the message server."""
        return self.tcp.bounds() if self.tcp is not None else {}

    @cached_property
    def latencies(self) -> dict[str, bytes]:
        """Its histograms, see `edgelake.wire.Latency`."""
        return self.tcp.latencies() if self.tcp is not None else {}

    # ------------------------------------------------------------ ledger

    @cached_property
    def sync(self) -> dict[str, Any]:
        """Figures of the synchronizer; nothing if there is none."""
        service = self.node.services.find(Synchronizer)
        if service is None:
            return {}
        return {**service.figures(), "success_age_s": service.success_age_s()}

    @cached_property
    def relay(self) -> dict[str, Any]:
        """The node's role, and its figures as a relay."""
        return relay_figures(self.node)

    @cached_property
    def pending(self) -> tuple[int, int]:
        """Policies and deletes that wait for a master."""
        policies, deletes = self.node.ledger.pending()
        return len(policies), len(deletes)

    @cached_property
    def ledger_bytes(self) -> int:
        """Size of the ledger file, 0 if there is none."""
        with contextlib.suppress(OSError):
            return self.node.ledger.path.stat().st_size
        return 0

    # -------------------------------------------------------------- data

    @cached_property
    def gathering(self) -> tuple[int, int, float]:
        """Streamed rows that gather, their bytes, and seconds since the first came."""
        found = self.node.arrivals.buffered().values()
        oldest_s = max((age_s for rows, _, age_s in found if rows), default=0.0)
        return sum(rows for rows, _, _ in found), sum(size for _, size, _ in found), oldest_s

    # ----------------------------------------------------------- process

    @cached_property
    def threads(self) -> int | None:
        """Threads of the process, those without Python too; ``None`` if the system hides them."""
        with contextlib.suppress(OSError):
            return len(os.listdir(_THREADS))
        return None
