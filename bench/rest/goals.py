"""What REST is to reach, as rows like those of `bench.goals`."""

from __future__ import annotations

from collections.abc import Callable

from bench.figures import Figures
from bench.goals import Goal

__all__ = ["REST_GOALS"]

Find = Callable[[Figures], float | None]


def _least(scenario: str, field: str) -> Find:
    def find(figures: Figures) -> float | None:
        found = [one[field] for one in figures.part("rest", scenario) or ()]
        return min(found) if found else None

    return find


def _most(scenario: str, field: str) -> Find:
    def find(figures: Figures) -> float | None:
        found = [one[field] for one in figures.part("rest", scenario) or ()]
        return max(found) if found else None

    return find


_CROWD = "get status beside stalled callers and dead peers"

REST_GOALS = (
    Goal(
        "get status by REST, any number of callers",
        "rate, of a bare application's on the same server",
        _least("connections", "ratio"),
        # A command is understood, judged, run, counted and logged besides.
        least=1 / 3,
    ),
    Goal(_CROWD, "rate, of that without them", _least("crowd", "rate_ratio"), least=0.8),
    Goal(_CROWD, "p99, of that without them", _most("crowd", "p99_ms_ratio"), most=2.0),
)
