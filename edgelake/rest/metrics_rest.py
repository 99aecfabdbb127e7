"""Metrics of the REST server."""

from __future__ import annotations

from edgelake.rest.metric_types import Buckets, Metric, buckets_of
from edgelake.rest.reading import Reading
from edgelake.services.rest import REFUSALS
from edgelake.services.rest_calls import DURATION_BOUNDS_S

__all__ = ["REST_METRICS"]


def _refusals(now: Reading) -> dict[tuple[str, ...], float | None]:
    figures = now.rest.figures()
    return {(reason,): figures[reason] for reason in REFUSALS}


def _durations(now: Reading) -> Buckets:
    counts, total_s = now.rest.calls.durations()
    return buckets_of(DURATION_BOUNDS_S, counts, total_s)


REST_METRICS = (
    Metric(
        "edgelake_rest_calls_total",
        "counter",
        "Calls answered, by method and status.",
        lambda now: {
            (method, str(status)): count
            for (method, status), count in sorted(now.rest.calls.by_status().items())
        },
        ("method", "status"),
    ),
    Metric(
        "edgelake_rest_call_seconds",
        "histogram",
        "Time from the head of a call to its answer.",
        _durations,
    ),
    Metric(
        "edgelake_rest_connections",
        "gauge",
        "Open connections.",
        lambda now: now.rest.figures()["connections"],
    ),
    Metric(
        "edgelake_rest_refused_total",
        "counter",
        "Connections that were closed because of what came by them, or did not come in time.",
        _refusals,
        ("reason",),
    ),
    Metric(
        "edgelake_rest_threads",
        "gauge",
        "Threads that run commands.",
        lambda now: now.rest.options.threads,
    ),
    Metric(
        "edgelake_rest_running_calls",
        "gauge",
        "Calls that a thread runs now.",
        lambda now: now.rest.calls.running,
    ),
    Metric(
        "edgelake_rest_waiting_calls",
        "gauge",
        "Calls that wait for a thread.",
        lambda now: now.rest.calls.waiting,
    ),
)
