"""The server under load, beside its floors and its peers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from bench import report
from bench.compare import compare
from bench.part import Settings
from bench.scenarios import Scenario, scenarios

__all__ = ["ServerPart"]


class ServerPart:
    """Runs scenarios; see `bench.scenarios`.

    Parameters
    ----------
    names : sequence of str
        Of the scenarios to run, also those that a quick run leaves out; all by default.
    """

    name = "server"

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = names

    def _scenarios(self, settings: Settings) -> list[Scenario]:
        if not self._names:
            return scenarios(settings)
        every = {scenario.name: scenario for scenario in scenarios(replace(settings, quick=False))}
        if unknown := set(self._names) - every.keys():
            raise ValueError(f"no scenario {', '.join(unknown)}; there are {', '.join(every)}")
        return [every[name] for name in self._names]

    def steps(self, settings: Settings) -> int:
        """Return how many loads are run, for a bar."""
        return sum(scenario.steps(settings.rounds) for scenario in self._scenarios(settings))

    def run(self, settings: Settings, progress: Callable[[str], None]) -> dict[str, Any]:
        """Return medians, ratios and rounds of all scenarios, by name."""
        found: dict[str, Any] = {"scenarios": {}, "failed": []}
        for scenario in self._scenarios(settings):

            def step(line: str, name: str = scenario.name) -> None:
                progress(f"{name}: {line}")

            try:
                result = compare(scenario.targets, scenario.loads, settings.rounds, step)
            except (RuntimeError, OSError, subprocess.SubprocessError) as exc:
                # What was measured in the others is worth keeping.
                found["failed"].append(f"{scenario.name}: {exc}")
                continue
            found["scenarios"][scenario.name] = {
                "title": scenario.title,
                "missing": {**scenario.missing, **result.missing},
                "failed": result.failed,
                "comparisons": [comparison.as_json() for comparison in result.comparisons],
            }
            found["failed"] += [
                f"{scenario.name}, {name}: {why}" for name, why in result.failed.items()
            ]
        return found

    def show(self, console: Console, found: dict[str, Any]) -> None:
        """Print a table for each scenario."""
        for scenario in found["scenarios"].values():
            report.show_scenario(console, scenario)
