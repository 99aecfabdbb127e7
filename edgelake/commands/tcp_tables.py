"""``get tcp info`` and ``get tcp stats`` as people read them: tables of at most 100 columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from edgelake.commands.tcp_figures import DROPPED, EXPIRED, REFUSED
from edgelake.interfaces import Page, Section, Table

__all__ = ["info_table", "stats_page"]

_TRAFFIC = ("messages", "blocks", "bytes")
_LATENCIES = {
    "received": "first to last byte",
    "waited": "last byte to handler",
    "handled": "last byte to handler's end",
}
_ENDED = {"dropped": DROPPED, "expired": EXPIRED, "refused": REFUSED}
_KIB = 1024


def info_table(data: dict[str, Any]) -> Table:
    """Return the answer of ``get tcp info``."""
    limits, sessions, peers = data["limits"], data["sessions"], data["peers"]
    rows = [
        ("External address", data["external"]),
        ("Internal address", data["internal"]),
        ("Listening on", data["bind"]),
        ("Up", _time(data["uptime_s"])),
        ("Threads", f"{data['threads']} for I/O, {data['handler_threads']} for handlers"),
        ("Connections", f"at most {limits['max_connections']:,}, backlog {limits['backlog']:,}"),
        ("Silence inside a message", f"at most {limits['byte_timeout_s']:g} s"),
        ("Time of a message", f"at most {limits['message_timeout_s']:g} s"),
        ("Silence between messages", f"at most {limits['idle_timeout_s']:g} s"),
        ("Silence of a session we opened", f"at most {limits['session_idle_s']:g} s"),
        ("Time for a peer to acknowledge", f"at most {limits['receipt_timeout_s']:g} s"),
        ("Time for a peer to take bytes", f"at most {limits['block_timeout_s']:g} s"),
        ("Size of a message", f"at most {_size(limits['max_message_bytes'])}"),
        ("Unfinished messages", f"at most {_size(limits['max_assembly_bytes'])}"),
        (
            "Messages that wait for a handler",
            f"reading pauses at {limits['max_queued_messages']:,}"
            f" or {_size(limits['max_queued_bytes'])}",
        ),
        (
            "Sessions now",
            f"{sessions['now']:,}: {sessions['by_peers']:,} opened by peers,"
            f" {sessions['by_us']:,} by this node",
        ),
        (
            "Sessions since the start",
            f"{sessions['accepted']:,} accepted, {sessions['opened']:,} opened",
        ),
        (
            "Peers known by address",
            f"{peers['known']:,}: {peers['with_session']:,} with a session,"
            f" {peers['without_session']:,} without",
        ),
    ]
    return Table(("TCP Server", ""), rows)


def stats_page(data: dict[str, Any]) -> Page:
    """Return the answer of ``get tcp stats``; counts of what never happened are left out."""
    head = f"TCP server on {data['bind']}, up {_time(data['uptime_s'])}"
    return Page((Section("", head), *(Section("", table) for table in _tables(data))))


def _tables(data: dict[str, Any]) -> Iterator[Table]:
    start, last = data["rates"]["since_start"], data["rates"]["interval"]
    yield Table(
        ("Traffic", "Total", "Per second\nsince start", f"Per second\nlast {last['time_s']:.1f} s"),
        [
            (
                f"{what} {way}".capitalize(),
                data["totals"][f"{what}_{way}"],
                *(_rate(rates[f"{what}_{way}_per_s"]) for rates in (start, last)),
            )
            for way in ("in", "out")
            for what in _TRAFFIC
        ],
    )
    columns = ("Latency in µs", "Messages", "50 %", "90 %", "99 %", "99.9 %", "Longest")
    yield Table(
        columns,
        [
            (label, *(_whole(value) for value in data["latencies"][name].values()))
            for name, label in _LATENCIES.items()
        ],
    )
    messages = data["messages"]
    yield Table(
        (
            "Answered\nnatively",
            "Handled",
            "Handler\nerrors",
            "Replies\n",
            "Replies\nfailed",
            "Native answers\nlost",
        ),
        [tuple(messages.values())],
    )
    queue = data["queue"]
    yield Table(
        ("Waiting for a handler", "Now", "Pause at", "Pauses", "Paused now"),
        [
            (
                "messages",
                queue["messages"],
                queue["high_messages"],
                queue["pauses"],
                queue["paused_threads"],
            ),
            ("bytes", queue["bytes"], queue["high_bytes"], None, None),
        ],
    )
    connections = data["connections"]
    yield Table(
        (
            "Connections\naccepted",
            "Open\nnow",
            "Idle\n",
            "Inside a\nmessage",
            "Sessions\nby peers",
            "Sessions\nby us",
        ),
        [
            tuple(
                connections[name]
                for name in (
                    "accepted",
                    "open",
                    "idle",
                    "inside_message",
                    "sessions_by_peers",
                    "sessions_by_us",
                )
            )
        ],
    )
    ended = [
        (kind.capitalize(), label, data[kind][reason])
        for kind, labels in _ENDED.items()
        for reason, label in labels.items()
        if data[kind][reason]
    ]
    yield Table(("Connections\nclosed", "Why", "Count"), ended or [("in order only", "", None)])
    sender = data["sender"]
    yield Table(
        (
            "Messages\nsent",
            "Failed\n",
            "Retries\n",
            "Rejected\n",
            "Pending\nnow",
            "Pending\nbytes",
            "Desti-\nnations",
            "Sockets\n",
        ),
        [tuple(sender.values())],
    )


def _rate(value: float) -> float | int:
    return value if value < 100 else round(value)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _time(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))


def _size(size_bytes: int) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if size_bytes < _KIB or size_bytes % _KIB:
            return f"{size_bytes:,} {unit}"
        size_bytes //= _KIB
    return f"{size_bytes:,} GiB"
