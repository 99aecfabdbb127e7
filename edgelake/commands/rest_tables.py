"""``get rest server info``, ``get rest calls`` and ``get rest pool`` as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from edgelake.interfaces import Table
from edgelake.services.rest import REFUSALS

__all__ = ["calls_table", "info_table", "pool_line", "pool_table"]


def info_table(data: Mapping[str, Any]) -> Table:
    """Return the answer of ``get rest server info``; counts of what never happened are left out."""
    timeout_s, rate = data["timeout_s"], data["rate"]
    files = [(f"TLS: {what}", data[what]) for what in ("certificate", "key", "authority")]
    rows = [
        ("Console in the browser", data["url"]),
        ("External address", data["external"]),
        ("Internal address", data["internal"]),
        ("Listening on", data["bind"]),
        ("Up", str(timedelta(seconds=int(data["uptime_s"])))),
        *(files if data["ssl"] else [("TLS", "no")]),
        ("Threads that run commands", str(data["threads"])),
        ("Wait for other nodes", f"at most {timeout_s:g} s" if timeout_s else "without limit"),
        ("Calls of one address", f"at most {rate:,} a second" if rate else "without limit"),
        ("Other sites whose pages may call", data["cors"] or "none"),
        ("Other names of this node", data["hosts"] or "none"),
        ("Users", f"{data['users']:,}"),
        ("Who does not say who he is", _level(data["anonymous"])),
        ("Connections now", f"{data['connections']:,}"),
        ("Calls answered", f"{data['calls']:,}, of them {data['errors']:,} with an error"),
        ("Calls now", f"{data['running']:,} run, {data['waiting']:,} wait for a thread"),
        *((f"Closed: {why}", f"{data[key]:,}") for key, why in REFUSALS.items() if data[key]),
    ]
    return Table(("REST Server", ""), rows)


def calls_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """Return the answer of ``get rest calls``."""
    columns = (
        "Caller",
        "Call",
        "Processed",
        "Errors",
        "Last Error",
        "First Call",
        "Last Call",
        "Last Caller",
        "Last User",
    )
    return Table(columns, [tuple(record.values()) for record in records])


def pool_line(data: Mapping[str, Any]) -> str:
    """Return the answer of ``get rest pool``: 1 for each busy thread, and how many calls wait."""
    busy = [int(thread["busy"]) for thread in data["details"]]
    return f"REST Pool with {data['threads']} threads: {busy} ({data['waiting']})"


def pool_table(data: Mapping[str, Any]) -> Table:
    """Return the answer with a row for each thread."""
    total = sum(thread["calls"] for thread in data["details"]) or 1
    rows = [
        (
            number,
            int(thread["busy"]),
            thread["calls"],
            round(100 * thread["calls"] / total),
        )
        for number, thread in enumerate(data["details"])
    ]
    return Table(("Thread", "Status", "Calls", "Percentage"), rows)


def _level(name: str) -> str:
    return "is refused" if name == "none" else f"has the level {name}"
