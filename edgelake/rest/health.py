"""Whether a node is fit for work: its services run, and its ledger is fresh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgelake import limits
from edgelake.commands import NodeParts
from edgelake.interfaces import ServiceState
from edgelake.services.synchronizer import Synchronizer

__all__ = ["Health", "health_of"]


@dataclass(frozen=True, slots=True)
class Health:
    """How a node fares.

    Attributes
    ----------
    services : dict of str to str
        State of each service that was started, in small letters.
    faults : dict of str to str
        Why the node is not ready, by the part that is to blame; empty if it is.
    """

    services: dict[str, str]
    faults: dict[str, str]

    @property
    def ready(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"ready": self.ready, "services": self.services, "faults": self.faults}


def health_of(node: NodeParts) -> Health:
    """Return how a node fares; takes no lock that is held for long, and reads no file."""
    services: dict[str, str] = {}
    faults: dict[str, str] = {}
    for kind, state in node.services.states():
        services[kind.name] = state.value.lower()
        if state is not ServiceState.RUNNING:
            is_ = "" if state is ServiceState.FAILED else "is "
            faults[kind.name] = f"{kind.title} {is_}{state.value.lower()}"
    sync = node.services.find(Synchronizer)
    if sync is not None and sync.name not in faults:
        fault = _staleness(sync)
        if fault:
            faults[sync.name] = fault
    if node.stopping.is_set():
        faults["node"] = "the node ends"
    return Health(services, faults)


def _staleness(sync: Synchronizer) -> str:
    """Return why a ledger is not fresh, nothing if it is."""
    age_s = sync.success_age_s()
    if age_s is None:
        return "the ledger was not brought up to date since the start"
    limit_s = limits.READY_SYNC_INTERVALS * sync.interval_s + limits.READY_SYNC_GRACE_S
    if age_s > limit_s:
        return f"the ledger was up to date {age_s:.0f} s ago; the limit is {limit_s:.0f} s"
    return ""
