"""Inserts that a master has acknowledged, which are on its disk then, beside bare SQLite."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from bench.crowd import Arrival, Crowd, Member, running_crowd
from bench.master import Master
from bench.part import Settings
from bench.policies import policy_id, policy_line
from edgelake import Node

__all__ = ["CLIENTS", "inserts"]

CLIENTS = 10

_FIRST = 3_000_000
"""Number of the first policy that is inserted here."""
_STORED = b"printstored "
_NEWS = b"event ledger_changed "
_INSERT = (
    "INSERT INTO ledger (policy_type, company_name, date, host, status, policy_id, policy)"
    " VALUES ('device', '', '2026-01-01T00:00:00.000000Z', '127.0.0.1', '', ?, ?)"
)


def inserts(master: Master, settings: Settings, clients: int = CLIENTS) -> dict[str, Any]:
    """Return how many policies a second a master acknowledges, and how fast one.

    The floor is a loop that gives the same rows to SQLite, with the same durability: a
    transaction each, or one for as many as there are clients.

    Raises
    ------
    RuntimeError
        The master refused one.
    """
    numbers = count(_FIRST)
    rounds = []
    with running_crowd(master.child.port, clients) as crowd, _floor() as floor:
        _acknowledged(crowd, 1, 0.05, numbers)
        for _ in range(settings.rounds):
            one = _acknowledged(crowd, 1, settings.seconds / 2, numbers)
            many = _acknowledged(crowd, clients, settings.seconds, numbers)
            rounds.append(
                {
                    "one_rate": one["rate"],
                    "one_ms": one["p50_ms"],
                    "one_p99_ms": one["p99_ms"],
                    "rate": many["rate"],
                    "p50_ms": many["p50_ms"],
                    "p99_ms": many["p99_ms"],
                    "floor_rate": _inserted(floor, 1, settings.seconds / 2, numbers),
                    "floor_batch_rate": _inserted(floor, clients, settings.seconds / 2, numbers),
                }
            )
    found: dict[str, Any] = {name: median(one[name] for one in rounds) for name in rounds[0]}
    return {
        **found,
        "clients": clients,
        "one_ratio": median(one["one_rate"] / one["floor_rate"] for one in rounds),
        "ratio": median(one["rate"] / one["floor_rate"] for one in rounds),
        "batch_ratio": median(one["rate"] / one["floor_batch_rate"] for one in rounds),
    }


def _acknowledged(
    crowd: Crowd, clients: int, seconds: float, numbers: Iterator[int]
) -> dict[str, float]:
    """Insert from so many sessions, each its next when the one before is acknowledged."""
    writers = crowd.members[:clients]
    began: dict[Member, float] = {}
    took: list[float] = []

    def go(member: Member) -> None:
        began[member] = time.perf_counter()
        member.ask(f"blockchain push confirm {policy_line(next(numbers))}")

    def take(member: Member, arrival: Arrival) -> None:
        if arrival.text.startswith(_NEWS):
            return
        if not arrival.text.startswith(_STORED):
            raise RuntimeError(f"the master answered {arrival.text[:200]!r}")
        took.append(arrival.at_s - began.pop(member))
        if arrival.at_s < end:
            go(member)

    begin = time.perf_counter()
    end = begin + seconds
    for member in writers:
        go(member)
    crowd.receive(take, lambda: not began)
    passed = time.perf_counter() - begin
    took.sort()
    return {
        "rate": len(took) / passed,
        "p50_ms": median(took) * 1e3,
        "p99_ms": took[int(0.99 * (len(took) - 1))] * 1e3,
    }


@contextmanager
def _floor() -> Iterator[sqlite3.Connection]:
    """Give a database with the table of a master, opened as a master opens it."""
    with tempfile.TemporaryDirectory(prefix="edgelake-bench-") as home:
        with Node(home) as node:
            node.run("connect dbms blockchain where type = sqlite")
            node.run("create table ledger where dbms = blockchain")
            path = Path(node.home.databases_dir) / "blockchain.dbms"
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            yield database


def _inserted(
    database: sqlite3.Connection, rows: int, seconds: float, numbers: Iterator[int]
) -> float:
    """Return the rows a second that go in by transactions of so many rows."""
    begin = time.perf_counter()
    done = 0
    while time.perf_counter() - begin < seconds:
        database.execute("BEGIN IMMEDIATE")
        for _ in range(rows):
            number = next(numbers)
            database.execute(_INSERT, (policy_id(number), policy_line(number)))
        database.execute("COMMIT")
        done += rows
    return done / (time.perf_counter() - begin)
