"""Metrics of the ledger, of the synchronizer, and of relays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from edgelake.rest.metric_types import Metric
from edgelake.rest.reading import Reading

__all__ = ["LEDGER_METRICS"]

_ROLES = ("none", "master", "follower", "relay")


def _sync(key: str) -> Callable[[Reading], float | None]:
    return lambda now: now.sync.get(key)


def _relay(key: str) -> Callable[[Reading], float | None]:
    return lambda now: now.relay.get(key)


def _last_success(now: Reading) -> float | None:
    text: str | None = now.sync.get("last_success")
    return datetime.fromisoformat(text).timestamp() if text else None


def _refused(now: Reading) -> float | None:
    refused: list[Any] | None = now.sync.get("refused")
    return None if refused is None else len(refused)


def _sequence(now: Reading) -> float | None:
    found: int | None = now.sync.get("sequence")
    return now.relay.get("sequence") if found is None else found


def _epoch(now: Reading) -> dict[tuple[str, ...], float | None]:
    found = now.sync.get("epoch") or now.relay.get("epoch")
    return {(found,): 1} if found else {}


LEDGER_METRICS = (
    Metric(
        "edgelake_sync_cycles_total",
        "counter",
        "Cycles of the synchronizer.",
        _sync("calls"),
    ),
    Metric(
        "edgelake_sync_successes_total",
        "counter",
        "Cycles that succeeded.",
        _sync("sync_ok"),
    ),
    Metric(
        "edgelake_sync_errors_total",
        "counter",
        "Cycles that failed, and ledgers received that were not taken.",
        _sync("sync_err"),
    ),
    Metric(
        "edgelake_sync_failures_in_a_row",
        "gauge",
        "Cycles that failed since the last one that succeeded.",
        _sync("failures_in_a_row"),
    ),
    Metric(
        "edgelake_sync_loads_total",
        "counter",
        "How often a cycle changed the local ledger.",
        _sync("loads"),
    ),
    Metric(
        "edgelake_sync_interval_seconds",
        "gauge",
        "Pause between two cycles.",
        _sync("interval_s"),
    ),
    Metric(
        "edgelake_sync_last_success_timestamp_seconds",
        "gauge",
        "When the ledger was last up to date, in seconds since 1970.",
        _last_success,
    ),
    Metric(
        "edgelake_sync_age_seconds",
        "gauge",
        "How long ago that was, whatever the clock says.",
        _sync("success_age_s"),
    ),
    Metric(
        "edgelake_sync_lag_changes",
        "gauge",
        "Changes of the master that are not here yet.",
        _sync("lag"),
    ),
    Metric(
        "edgelake_sync_received_bytes_total",
        "counter",
        "Bytes of ledgers and changes received.",
        _sync("bytes"),
    ),
    Metric(
        "edgelake_sync_refused_policies",
        "gauge",
        "Local policies that the master will not have.",
        _refused,
    ),
    Metric(
        "edgelake_ledger_policies",
        "gauge",
        "Policies that commands see.",
        lambda now: now.node.ledger.count,
    ),
    Metric(
        "edgelake_ledger_file_bytes",
        "gauge",
        "Size of the local ledger's file.",
        lambda now: now.ledger_bytes,
    ),
    Metric(
        "edgelake_ledger_sequence",
        "gauge",
        "Number of the last change of the master's log that is here.",
        _sequence,
    ),
    Metric(
        "edgelake_ledger_epoch_info",
        "gauge",
        "Which log that number belongs to; always 1.",
        _epoch,
        ("epoch",),
    ),
    Metric(
        "edgelake_ledger_outbox",
        "gauge",
        "Local changes that the master's ledger does not show yet.",
        lambda now: {("insert",): now.pending[0], ("delete",): now.pending[1]},
        ("change",),
    ),
    Metric(
        "edgelake_ledger_quarantined_policies",
        "gauge",
        "Entries of the source's ledger that no command sees.",
        _sync("quarantine"),
    ),
    Metric(
        "edgelake_ledger_damaged_lines",
        "gauge",
        "Lines of the ledger file that could not be read, those set aside included.",
        lambda now: now.node.ledger.damage_report()[0],
    ),
    Metric(
        "edgelake_ledger_role",
        "gauge",
        "1 for the role that the node has.",
        lambda now: {(role,): now.relay["role"] == role for role in _ROLES},
        ("role",),
    ),
    Metric(
        "edgelake_relay_followers",
        "gauge",
        "Followers that wait to be told of a change.",
        _relay("followers_waiting"),
    ),
    Metric(
        "edgelake_relay_told_total",
        "counter",
        "How often a follower was told of a change.",
        _relay("followers_told"),
    ),
    Metric(
        "edgelake_relay_forwarded_changes",
        "gauge",
        "Changes of followers passed on to the master since the synchronizer started.",
        _relay("forwarded"),
    ),
    Metric(
        "edgelake_relay_pending_changes",
        "gauge",
        "Of these, those whose answer is awaited.",
        _relay("forwarded_pending"),
    ),
    Metric(
        "edgelake_relay_hops",
        "gauge",
        "Hops from this node to its master; 1 if it is followed directly.",
        _relay("depth"),
    ),
    Metric(
        "edgelake_relay_master_heard_seconds",
        "gauge",
        "How long ago the master was heard, however far away it is.",
        _relay("master_heard_s"),
    ),
)
