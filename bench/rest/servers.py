"""The servers that are compared: a node, and a bare application."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.child import Child, cpu_seconds, running_child
from bench.rest.wrk import Call, Found, run_wrk

__all__ = ["POLICIES", "Measured", "Servers", "measure", "running_servers"]

POLICIES = 1000
"""Of the node's ledger."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Both servers while they run."""

    node: Child
    bare: Child


@dataclass(frozen=True, slots=True)
class Measured:
    """What callers saw, and what it cost.

    Attributes
    ----------
    found : Found
    cpu_us : float
        Processor time of the server for one call.
    """

    found: Found
    cpu_us: float


@contextmanager
def running_servers(policies: int = POLICIES) -> Iterator[Servers]:
    """Run a node with so many policies, and a bare application.

    Raises
    ------
    RuntimeError
        One of them failed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="edgelake-bench-") as home,
        tempfile.TemporaryDirectory(prefix="edgelake-bench-") as folder,
        running_child("bench.rest.rest_node", "--home", home, "--policies", str(policies)) as node,
        running_child("bench.rest.bare_app", "--home", folder) as bare,
    ):
        yield Servers(node, bare)


def measure(server: Child, call: Call, connections: int, seconds: float) -> Measured:
    """Return what calls to a server cost; see `bench.rest.wrk.run_wrk`."""
    before = cpu_seconds(server.pid)
    found = run_wrk(server.port, call, connections, seconds)
    return Measured(found, (cpu_seconds(server.pid) - before) / found.calls * 1e6)
