"""Look figures up in the results of a run, as they are in ``results.json``."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from bench.targets import FLOOR

__all__ = ["Figures"]


class Figures:
    """The results of a run; everything that was not measured is ``None``.

    Parameters
    ----------
    results : mapping
        The content of ``results.json``.
    """

    def __init__(self, results: Mapping[str, Any]) -> None:
        self.results = results

    def part(self, *path: str) -> Any:
        """Return what is under a path of keys."""
        found: Any = self.results
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def over_sizes(self, scenario: str) -> list[tuple[int, Any]]:
        """Return policies and figures of each ledger that a scenario was measured with."""
        sizes = self.part("ledger", "sizes") or []
        return [(one["policies"], one[scenario]) for one in sizes if scenario in one]

    def comparisons(self, scenario: str) -> list[dict[str, Any]]:
        """Return the comparisons of a scenario, one for each load."""
        return self.part("server", "scenarios", scenario, "comparisons") or []

    def rounds(self, scenario: str, label: str, target: str) -> list[dict[str, Any]]:
        """Return every round of a target under a load."""
        for comparison in self.comparisons(scenario):
            if comparison["label"] == label and target in comparison["targets"]:
                return list(comparison["targets"][target]["rounds"])
        return []

    def value(self, scenario: str, label: str, target: str, field: str) -> float | None:
        """Return the median of a field over the rounds."""
        values = [one[field] for one in self.rounds(scenario, label, target)]
        return median(values) if values and None not in values else None

    def ratio(
        self, scenario: str, label: str, target: str, field: str, to: str = FLOOR
    ) -> float | None:
        """Return the median of target / other target, within each round."""
        return _median_ratio(
            self.rounds(scenario, label, target), self.rounds(scenario, label, to), field
        )

    def between(self, scenario: str, label: str, to: str, target: str, field: str) -> float | None:
        """Return the median of load / other load on one target, within each round."""
        return _median_ratio(
            self.rounds(scenario, label, target), self.rounds(scenario, to, target), field
        )


def _median_ratio(
    above: list[dict[str, Any]], below: list[dict[str, Any]], field: str
) -> float | None:
    pairs = [(top[field], bottom[field]) for top, bottom in zip(above, below, strict=False)]
    if not pairs or any(top is None or not bottom for top, bottom in pairs):
        return None
    return float(median(top / bottom for top, bottom in pairs))
