"""Metrics of data that arrives: rows, messages, what gathers and waits, and what was refused."""

from __future__ import annotations

import contextlib

from edgelake.errors import StorageError
from edgelake.rest.metric_types import Metric
from edgelake.rest.reading import Reading

__all__ = ["DATA_METRICS"]


def _rows(now: Reading) -> dict[tuple[str, ...], float | None]:
    totals = now.node.arrivals.totals()
    return {("file",): totals.file_rows, ("streaming",): totals.rows}


def _files(now: Reading) -> dict[tuple[str, ...], float | None]:
    totals = now.node.arrivals.totals()
    return {("file",): totals.files, ("streaming",): totals.flushed}


def _refused(now: Reading) -> dict[tuple[str, ...], float | None]:
    return {pair: count for pair, count in now.node.arrivals.refusals.counts().items()}


def _messages(now: Reading) -> dict[tuple[str, ...], float | None]:
    stored, refused = now.node.msg_clients.totals()
    return {("stored",): stored, ("refused",): refused}


def _waiting(now: Reading) -> tuple[float, float] | tuple[None, None]:
    with contextlib.suppress(StorageError):
        return now.node.arrivals.folder.waiting()
    return None, None


DATA_METRICS = (
    Metric(
        "edgelake_data_rows_total",
        "counter",
        "Rows that were stored, as a file or streamed; those of messages are streamed.",
        _rows,
        ("mode",),
    ),
    Metric(
        "edgelake_data_files_total",
        "counter",
        "Files put into the watch folder: by a call, or of rows that had gathered.",
        _files,
        ("mode",),
    ),
    Metric(
        "edgelake_data_refused_calls_total",
        "counter",
        "Calls with data that were refused, by PUT or POST, and why.",
        _refused,
        ("door", "reason"),
    ),
    Metric(
        "edgelake_data_messages_total",
        "counter",
        "Messages that a client of messages made rows of, or refused.",
        _messages,
        ("outcome",),
    ),
    Metric(
        "edgelake_data_message_clients",
        "gauge",
        "Clients of messages that run.",
        lambda now: len(now.node.msg_clients.all()),
    ),
    Metric(
        "edgelake_data_gathering_rows",
        "gauge",
        "Streamed rows that are on the disk and in no file of the watch folder yet.",
        lambda now: now.gathering[0],
    ),
    Metric(
        "edgelake_data_gathering_bytes",
        "gauge",
        "Bytes of these rows.",
        lambda now: now.gathering[1],
    ),
    Metric(
        "edgelake_data_gathering_seconds",
        "gauge",
        "How long ago the first of these rows came; 0 if there is none.",
        lambda now: now.gathering[2],
    ),
    Metric(
        "edgelake_data_waiting_files",
        "gauge",
        "Files in the watch folder that nobody has taken yet.",
        lambda now: _waiting(now)[1],
    ),
    Metric(
        "edgelake_data_waiting_bytes",
        "gauge",
        "Bytes of these files.",
        lambda now: _waiting(now)[0],
    ),
    Metric(
        "edgelake_data_max_waiting_bytes",
        "gauge",
        "Bytes that may wait and gather; more is refused.",
        lambda now: now.node.arrivals.folder.max_bytes,
    ),
)
