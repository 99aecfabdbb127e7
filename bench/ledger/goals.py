"""What the ledger is to reach, as rows like those of `bench.goals`."""

from __future__ import annotations

from collections.abc import Callable

from bench.figures import Figures
from bench.goals import Goal
from bench.ledger.queries import WANTED
from bench.policies import POLICY_BYTES

__all__ = ["LEDGER_GOALS"]

Find = Callable[[Figures], float | None]

_LARGE = 100_000
_USUAL = 10_000
_MANY = 50


def _most(scenario: str, *fields: str) -> Find:
    """Return the largest of some figures over all sizes."""

    def find(figures: Figures) -> float | None:
        found = [one[name] for _, one in figures.over_sizes(scenario) for name in fields]
        return max(found) if found else None

    return find


def _least(scenario: str, field: str) -> Find:
    def find(figures: Figures) -> float | None:
        found = [one[field] for _, one in figures.over_sizes(scenario)]
        return min(found) if found else None

    return find


def _growth(scenario: str, field: str) -> Find:
    """Return a figure of the largest ledger as a multiple of that of the smallest."""

    def find(figures: Figures) -> float | None:
        found = {size: one[field] for size, one in figures.over_sizes(scenario)}
        return found[max(found)] / found[min(found)] if len(found) > 1 else None

    return find


def _at(policies: int, scenario: str, field: str) -> Find:
    def find(figures: Figures) -> float | None:
        for size, one in figures.over_sizes(scenario):
            if size == policies:
                return float(one[field])
        return None

    return find


def _told(field: str, unit: float = 1.0) -> Find:
    """Return the largest figure of a change to 50 followers, over all sizes."""

    def find(figures: Figures) -> float | None:
        found = [
            row[field]
            for _, rows in figures.over_sizes("changes")
            for row in rows
            if row["followers"] == _MANY and row[field] is not None
        ]
        return max(found) / unit if found else None

    return find


def _query(name: str) -> Find:
    def find(figures: Figures) -> float | None:
        for size, rows in figures.over_sizes("queries"):
            for row in rows:
                if size == _USUAL and row["query"] == name:
                    return float(row["median_us"]) / 1e3
        return None

    return find


_CHANGE = "one change to 50 followers, any size"
_POLL = "poll of an unchanged ledger, any size"

LEDGER_GOALS = (
    Goal(
        _POLL,
        "text each way, the longer one",
        _most("polls", "asked_bytes", "answered_bytes"),
        most=200,
        unit="bytes",
    ),
    *(
        Goal(
            f"{_POLL}, {words}",
            "processor of the master",
            _most("polls", f"{name}_us"),
            most=100,
            unit="µs",
        )
        for name, words in (
            ("session", "one session"),
            ("crowd", "1,000 sessions at once"),
            ("connection", "an existing node"),
        )
    ),
    Goal(
        _POLL,
        "processor at the largest ledger, of that at the smallest",
        _growth("polls", "session_us"),
        most=1.25,
    ),
    Goal(
        "one change to 50 followers, any size",
        "p99 of its way",
        _told("p99_ms"),
        most=50,
        unit="ms",
    ),
    Goal(
        "one change to 50 followers, any size",
        f"bytes to each, of the policy's {POLICY_BYTES}",
        _told("received_bytes", POLICY_BYTES),
        most=2.0,
    ),
    Goal(
        f"first ledger, {_LARGE:,} policies",
        "rate",
        _at(_LARGE, "first_sync", "per_second"),
        least=100_000,
        unit="policies/s",
    ),
    Goal(
        f"first ledger, {_LARGE:,} policies",
        "memory of the node, of the file's size",
        _at(_LARGE, "first_sync", "peak_ratio"),
        most=3.0,
    ),
    *(
        Goal(f"blockchain get {name}, {_USUAL:,} policies", "time", _query(name), most=1, unit="ms")
        for name in WANTED
    ),
    Goal(
        "inserts from ten clients, any size",
        "acknowledged and on disk",
        _least("inserts", "rate"),
        least=1000,
        unit="/s",
    ),
)
