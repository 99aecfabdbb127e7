"""Metrics of the TCP server: messages, connections, and what waits."""

from __future__ import annotations

from collections.abc import Callable

from edgelake.commands.tcp_figures import DROPPED, EXPIRED, REFUSED
from edgelake.rest.metric_types import Buckets, Metric, buckets_of_latency
from edgelake.rest.reading import Reading

__all__ = ["TCP_METRICS"]

_CLOSED = {"dropped": DROPPED, "expired": EXPIRED, "refused": REFUSED}


def _server(key: str) -> Callable[[Reading], float | None]:
    return lambda now: now.server.get(key)


def _sender(key: str) -> Callable[[Reading], float | None]:
    return lambda now: now.sender.get(key)


def _bound(key: str) -> Callable[[Reading], float | None]:
    return lambda now: now.bounds.get(key)


def _messages(now: Reading) -> dict[tuple[str, ...], float | None]:
    server, sender = now.server, now.sender
    if not server or not sender:
        return {}
    return {("in",): server["messages"], ("out",): sender["sent"] + server["session_answers"]}


def _bytes(now: Reading) -> dict[tuple[str, ...], float | None]:
    server, sender = now.server, now.sender
    if not server or not sender:
        return {}
    return {("in",): server["bytes"], ("out",): server["sent_bytes"] + sender["sent_bytes"]}


def _lost_replies(now: Reading) -> float | None:
    server = now.server
    return server["reply_failures"] + server["lost_answers"] if server else None


def _closed(now: Reading) -> dict[tuple[str, ...], float | None]:
    return {
        (kind, reason): now.server.get(reason)
        for kind, reasons in _CLOSED.items()
        for reason in reasons
    }


def _latencies(now: Reading) -> dict[tuple[str, ...], Buckets | None]:
    return {(phase,): buckets_of_latency(found) for phase, found in now.latencies.items()}


def _sessions(now: Reading) -> dict[tuple[str, ...], float | None]:
    server = now.server
    if not server:
        return {}
    ours = min(server["own_sessions"], server["sessions"])
    return {("peer",): server["sessions"] - ours, ("node",): ours}


TCP_METRICS = (
    Metric(
        "edgelake_tcp_messages_total",
        "counter",
        "Messages that came in, and those that their destination took.",
        _messages,
        ("direction",),
    ),
    Metric(
        "edgelake_tcp_blocks_received_total",
        "counter",
        "Blocks of 2,048 bytes in messages that came in.",
        _server("blocks"),
    ),
    Metric(
        "edgelake_tcp_bytes_total",
        "counter",
        "Bytes received, also of messages that were never whole, and bytes sent.",
        _bytes,
        ("direction",),
    ),
    Metric(
        "edgelake_tcp_message_seconds",
        "histogram",
        "How long messages took: received, from first to last byte; waited, until a handler had"
        " them; handled, until the handler was done.",
        _latencies,
        ("phase",),
    ),
    Metric(
        "edgelake_tcp_native_messages_total",
        "counter",
        "Messages that the I/O threads answered by themselves.",
        _server("native"),
    ),
    Metric(
        "edgelake_tcp_handled_messages_total",
        "counter",
        "Messages that a handler took and is done with.",
        _server("handled"),
    ),
    Metric(
        "edgelake_tcp_handler_errors_total",
        "counter",
        "Messages that their handler refused, or that failed in it.",
        _server("handler_errors"),
    ),
    Metric(
        "edgelake_tcp_replies_total",
        "counter",
        "Replies given to the sender.",
        _server("replies"),
    ),
    Metric(
        "edgelake_tcp_lost_replies_total",
        "counter",
        "Replies and native answers that could not even begin.",
        _lost_replies,
    ),
    Metric(
        "edgelake_tcp_queue_messages",
        "gauge",
        "Whole messages that wait for a handler.",
        _server("queued_messages"),
    ),
    Metric(
        "edgelake_tcp_queue_bytes",
        "gauge",
        "Bytes of those among them that no thread has received.",
        _server("queued_bytes"),
    ),
    Metric(
        "edgelake_tcp_queue_max_messages",
        "gauge",
        "Messages in the queue above which nothing is read.",
        _bound("max_queued_messages"),
    ),
    Metric(
        "edgelake_tcp_unfinished_bytes",
        "gauge",
        "Memory of messages that are still coming.",
        _server("assembly_bytes"),
    ),
    Metric(
        "edgelake_tcp_paused_threads",
        "gauge",
        "I/O threads that read nothing now because the queue is full.",
        _server("paused"),
    ),
    Metric(
        "edgelake_tcp_pauses_total",
        "counter",
        "How often an I/O thread paused because the queue was full.",
        _server("pauses"),
    ),
    Metric(
        "edgelake_tcp_connections",
        "gauge",
        "Open connections, sessions included.",
        _server("connections"),
    ),
    Metric(
        "edgelake_tcp_connections_inside_message",
        "gauge",
        "Open connections by which a message has begun and not ended.",
        _server("unfinished"),
    ),
    Metric(
        "edgelake_tcp_max_connections",
        "gauge",
        "Connections that may be open.",
        _bound("max_connections"),
    ),
    Metric(
        "edgelake_tcp_accepted_connections_total",
        "counter",
        "Connections accepted.",
        _server("accepted"),
    ),
    Metric(
        "edgelake_tcp_closed_connections_total",
        "counter",
        "Connections that were not ended by their peer: dropped for what came, expired, or"
        " refused for want of room.",
        _closed,
        ("kind", "reason"),
    ),
    Metric(
        "edgelake_tcp_sessions",
        "gauge",
        "Open sessions, by who opened them.",
        _sessions,
        ("opened_by",),
    ),
    Metric(
        "edgelake_tcp_sessions_opened_total",
        "counter",
        "Sessions opened, by whom.",
        lambda now: {
            ("peer",): now.server.get("sessions_accepted"),
            ("node",): now.server.get("sessions_opened"),
        },
        ("opened_by",),
    ),
    Metric(
        "edgelake_tcp_known_peers",
        "gauge",
        "Addresses of which is remembered how they talk.",
        _server("known_peers"),
    ),
    Metric(
        "edgelake_tcp_send_failures_total",
        "counter",
        "Messages given up after all attempts, or not taken because too many were under way.",
        lambda now: {
            ("failed",): now.sender.get("failed"),
            ("rejected",): now.sender.get("rejected"),
        },
        ("reason",),
    ),
    Metric(
        "edgelake_tcp_send_retries_total",
        "counter",
        "Second and further attempts to send a message.",
        _sender("retries"),
    ),
    Metric(
        "edgelake_tcp_pending_messages",
        "gauge",
        "Messages that wait to be sent or travel now.",
        _sender("pending"),
    ),
    Metric(
        "edgelake_tcp_pending_bytes",
        "gauge",
        "Bytes of these messages.",
        _sender("pending_bytes"),
    ),
)
