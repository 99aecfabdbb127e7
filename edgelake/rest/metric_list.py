"""The metrics of a node, one declaration each. ``docs/metrics.md`` is made of them."""

from __future__ import annotations

import platform

from edgelake import __version__
from edgelake.rest.metric_types import Metric
from edgelake.rest.metrics_data import DATA_METRICS
from edgelake.rest.metrics_ledger import LEDGER_METRICS
from edgelake.rest.metrics_rest import REST_METRICS
from edgelake.rest.metrics_tcp import TCP_METRICS

__all__ = ["METRICS"]

_NODE = (
    Metric(
        "edgelake_build_info",
        "gauge",
        "Version of edgelake and of its Python; always 1.",
        lambda now: {(__version__, platform.python_version()): 1},
        ("version", "python"),
    ),
    Metric(
        "edgelake_ready",
        "gauge",
        "1 if /readyz answers that the node is fit for work.",
        lambda now: now.health.ready,
    ),
    Metric(
        "edgelake_service_running",
        "gauge",
        "1 if the service runs, 0 if it was not started, ended or failed.",
        lambda now: {(name,): runs for name, runs in now.services.items()},
        ("service",),
    ),
    Metric(
        "edgelake_errors_total",
        "counter",
        "Failures that the error log was told of.",
        lambda now: now.node.logs.errors.number,
    ),
    Metric(
        "edgelake_log_lines_total",
        "counter",
        "Lines written to the log file.",
        lambda now: now.log.get("lines"),
    ),
    Metric(
        "edgelake_log_lost_lines_total",
        "counter",
        "Lines that are not in the log file: too many at a time, or its disk did not take them.",
        lambda now: {("crowd",): now.log.get("dropped"), ("disk",): now.log.get("unwritten")},
        ("reason",),
    ),
    Metric(
        "edgelake_process_threads",
        "gauge",
        "Threads of the process, native ones included.",
        lambda now: now.threads,
    ),
)

METRICS: tuple[Metric, ...] = (
    *_NODE,
    *TCP_METRICS,
    *LEDGER_METRICS,
    *DATA_METRICS,
    *REST_METRICS,
)
"""Every metric, besides those of the process that prometheus_client knows by itself."""
