"""What ``get tcp info`` and ``get tcp stats`` tell: the figures as data, units in their names.

Every key is explained in ``docs/statistics.md``.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgelake import limits
from edgelake.services.rates import Rates
from edgelake.services.tcp import TcpService
from edgelake.wire import Latency

__all__ = ["DROPPED", "EXPIRED", "REFUSED", "info_data", "queue_data", "stats_data"]

DROPPED = {
    "bad_header": "a header breaks the protocol",
    "bad_counter": "a block is missing or came twice",
    "bad_text": "a command is no UTF-8 text",
    "bad_session": "a session was counted wrong",
    "too_large": "a message exceeds a limit",
    "truncated": "the peer ended inside a message",
}
"""Connections closed for what came by them."""

EXPIRED = {
    "byte_timeout": "silent inside a message",
    "message_timeout": "a message took too long",
    "idle_timeout": "silent between messages",
    "slow_reader": "our answers were not taken",
}
"""Connections closed for what did not come in time."""

REFUSED = {
    "refused": "no room for a connection more",
    "evicted": "closed to make room for a newer one",
    "no_memory": "the system had no memory",
    "accept_errors": "the system had no descriptor or memory to accept",
}
"""Connections closed, or not accepted, because this node or its system was full."""


def info_data(tcp: TcpService) -> dict[str, Any] | None:
    """Return what the server is: addresses, threads, limits, sessions; ``None`` if it stopped."""
    figures, bounds = tcp.figures(), tcp.bounds()
    if not figures or not bounds:
        return None
    server = figures["server"]
    options = tcp.options
    handler_threads = bounds.pop("handler_threads")
    return {
        "external": str(options.external),
        "internal": str(options.internal),
        "bind": str(tcp.bound),
        "threads": options.threads,
        "handler_threads": handler_threads,
        "uptime_s": _rounded(tcp.uptime_s()),
        "limits": bounds,
        "sessions": {
            **_sessions(server),
            "accepted": server["sessions_accepted"],
            "opened": server["sessions_opened"],
        },
        "peers": {
            "known": server["known_peers"],
            "with_session": server["session_peers"],
            "without_session": server["known_peers"] - server["session_peers"],
        },
    }


def stats_data(tcp: TcpService) -> dict[str, Any] | None:
    """Return what passed through the server and what waits in it; ``None`` if it stopped."""
    figures, bounds, latencies = tcp.figures(), tcp.bounds(), tcp.latencies()
    if not figures or not bounds or not latencies:
        return None
    server, sender = figures["server"], figures["sender"]
    bytes_out = server["sent_bytes"] + sender["sent_bytes"]
    totals = {
        "messages_in": server["messages"],
        "blocks_in": server["blocks"],
        "bytes_in": server["bytes"],
        "messages_out": sender["sent"] + server["session_answers"],
        "blocks_out": bytes_out // limits.BLOCK_BYTES,
        "bytes_out": bytes_out,
    }
    start, last = tcp.rates(totals)
    return {
        "bind": str(tcp.bound),
        "uptime_s": _rounded(tcp.uptime_s()),
        "totals": totals,
        "rates": {"since_start": _rates(start), "interval": _rates(last)},
        "latencies": {name: asdict(Latency.of(found)) for name, found in latencies.items()},
        "messages": {
            name: server[name]
            for name in (
                "native",
                "handled",
                "handler_errors",
                "replies",
                "reply_failures",
                "lost_answers",
            )
        },
        "queue": {
            **queue_data(server, bounds),
            "unfinished_bytes": server["assembly_bytes"],
            "max_unfinished_bytes": bounds["max_assembly_bytes"],
            "paused_threads": server["paused"],
            "pauses": server["pauses"],
        },
        "connections": {
            "accepted": server["accepted"],
            "open": server["connections"],
            "max_open": bounds["max_connections"],
            "idle": server["idle"],
            "inside_message": server["unfinished"],
            **{f"sessions_{name}": count for name, count in _sessions(server).items()},
        },
        "dropped": {reason: server[reason] for reason in DROPPED},
        "expired": {reason: server[reason] for reason in EXPIRED},
        "refused": {reason: server[reason] for reason in REFUSED},
        "sender": {
            name: sender[name]
            for name in (
                "sent",
                "failed",
                "retries",
                "rejected",
                "pending",
                "pending_bytes",
                "destinations",
                "sockets",
            )
        },
    }


def queue_data(server: dict[str, int], bounds: dict[str, int | float]) -> dict[str, int | float]:
    """Return what waits for a handler, and the marks above which nothing is read."""
    return {
        "messages": server["queued_messages"],
        "bytes": server["queued_bytes"],
        "high_messages": bounds["max_queued_messages"],
        "high_bytes": bounds["max_queued_bytes"],
    }


def _sessions(server: dict[str, int]) -> dict[str, int]:
    # Threads count while we read: the parts must not exceed the whole.
    by_us = min(server["own_sessions"], server["sessions"])
    return {
        "now": server["sessions"],
        "by_peers": server["sessions"] - by_us,
        "by_us": by_us,
    }


def _rates(rates: Rates) -> dict[str, float]:
    per_s = {f"{name}_per_s": _rounded(rate) for name, rate in rates.per_s.items()}
    return {"time_s": _rounded(rates.time_s), **per_s}


def _rounded(value: float) -> float:
    return round(value, 3)
