"""The node as the console shows it: what it is, what runs, how fast, and its logs."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from starlette.requests import Request

from edgelake import __version__
from edgelake.commands.logs import event_line, failure_line
from edgelake.errors import WrongValue
from edgelake.rest.desk import Desk
from edgelake.rest.fields import asked
from edgelake.services.rest import RestService
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.tcp import TcpService

__all__ = ["logs", "overview", "series"]

_SYNC = ("source", "connection", "interval_s", "since_update_s", "sequence", "lag", "last_error")
_LOGS = {"event": "get event log", "error": "get error log"}


async def overview(desk: Desk, request: Request) -> dict[str, Any]:
    """Return identity, addresses, services, connections and the ledger in numbers."""
    origin = desk.caller(request, "get processes")
    asked(request)
    # The ledger may have to be read from its file first.
    ledger = await desk.in_pool(lambda: _ledger(desk))
    node = desk.node
    return {
        "node": {
            "name": node.name,
            "address": node.display_name(),
            "version": __version__,
            "home": str(node.home.root),
            "uptime_s": round(time.monotonic() - node.started_s, 1),
            "time_s": time.time(),
        },
        "caller": {
            "ip": origin.ip,
            "user": origin.user or None,
            "level": desk.level(origin).name.lower(),
            # Without users a name would be asked for, and mean nothing.
            "sign_in": len(node.users) > 0,
        },
        "addresses": _addresses(desk),
        "services": _services(desk),
        "connections": _connections(desk),
        "ledger": ledger,
    }


async def series(desk: Desk, request: Request) -> dict[str, Any]:
    """Return the samples after a number, and how far apart they are."""
    desk.caller(request, "get tcp stats")
    after = asked(request, "after").number("after", 0, 0)
    last = desk.samples.last
    return {
        "last": last.number if last else 0,
        "samples": [asdict(sample) for sample in desk.samples.since(after)],
    }


async def logs(desk: Desk, request: Request) -> dict[str, Any]:
    """Return the lines of one log after a number, the oldest first."""
    fields = asked(request, "kind", "after")
    kind = fields.text("kind", "event")
    if kind not in _LOGS:
        raise WrongValue(f"no log is called '{kind[:40]}'", hint="write event or error")
    desk.caller(request, _LOGS[kind])
    after = fields.number("after", 0, 0)
    found, registry = desk.node.logs, desk.interpreter.registry

    def lines() -> list[dict[str, Any]]:
        entries = found.events.entries() if kind == "event" else found.errors.entries()
        line = event_line if kind == "event" else failure_line
        return [
            {**line(entry, registry), "Failed": entry.code != 0}
            for entry in entries
            if entry.number > after
        ]

    return {"kind": kind, "lines": await desk.in_pool(lines)}


# ------------------------------------------------------------------- parts


def _addresses(desk: Desk) -> list[dict[str, Any]]:
    services = desk.node.services
    found: list[TcpService | RestService | None] = [
        services.find(TcpService),
        services.find(RestService),
    ]
    return [
        {
            "kind": service.title,
            "external": str(service.options.external),
            "internal": str(service.options.internal),
            "bind": str(service.bound),
        }
        for service in found
        if service is not None
    ]


def _services(desk: Desk) -> list[dict[str, Any]]:
    last = desk.samples.last
    rates: dict[str, dict[str, Any]] = {}
    if last is not None:
        rates[TcpService.name] = {
            "in": last.messages_in_per_s,
            "out": last.messages_out_per_s,
        }
        rates[RestService.name] = {"calls": last.calls_per_s}
    found = []
    for kind, status in desk.node.services.statuses():
        facts = {}
        if kind is Synchronizer:
            facts = {key: status.data[key] for key in _SYNC if status.data.get(key) is not None}
        found.append(
            {
                "name": kind.name,
                "title": kind.title,
                "state": status.state.value,
                "details": status.details,
                "rates": rates.get(kind.name, {}) if status.data else {},
                "facts": facts,
            }
        )
    return found


def _connections(desk: Desk) -> dict[str, dict[str, Any]]:
    tcp = desk.node.services.find(TcpService)
    server = (tcp.figures() if tcp else {}).get("server", {})
    rest = desk.service.figures()
    return {
        "tcp": {
            "open": server.get("connections", 0),
            "idle": server.get("idle", 0),
            "sessions": server.get("sessions", 0),
            "accepted": server.get("accepted", 0),
            "waiting": server.get("queued_messages", 0),
        },
        "rest": {
            "open": rest["connections"],
            "running": rest["running"],
            "waiting": rest["waiting"],
            "calls": rest["calls"],
            "errors": rest["errors"],
        },
    }


def _ledger(desk: Desk) -> dict[str, Any]:
    ledger = desk.node.ledger
    policies, deletes = ledger.pending()
    return {
        "policies": ledger.count,
        "hash": ledger.file_hash(),
        "pending": len(policies) + len(deletes),
        "damaged": len(ledger.quarantine),
    }
