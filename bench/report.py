"""Show results as tables in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from bench.goals import number
from bench.tables import new_table
from bench.targets import FLOOR

__all__ = [
    "COLUMNS",
    "figure",
    "measured_fields",
    "notes",
    "show_goals",
    "show_scenario",
]

COLUMNS = {
    "rate": "messages/s",
    "cpu_us": "cpu µs",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "p999_us": "p99.9 µs",
    "max_us": "max µs",
}
"""The figures of a table, and their headings."""

_LATE_PART = 0.05
"""Work left at the end of a load, as a part of its time, that is worth a note."""
_MET = {True: "[green]yes[/]", False: "[red]no[/]", None: "–"}


def show_scenario(console: Console, scenario: Mapping[str, Any]) -> None:
    """Print rates and latencies of every target, and its ratios to the floor."""
    fields = measured_fields(scenario)
    title = f"{scenario['title']}: median (ratio to the floor)"
    table = new_table(title, ["load", "target"], [COLUMNS[field] for field in fields])
    for comparison in scenario["comparisons"]:
        names = list(comparison["targets"])
        for name in names:
            cells = [figure(comparison["targets"][name], name, field) for field in fields]
            label = comparison["label"] if name == names[0] else ""
            table.add_row(label, name, *cells, end_section=name == names[-1])
    console.print(table)
    for note in notes(scenario):
        console.print(note, style="yellow", markup=False)


def measured_fields(scenario: Mapping[str, Any]) -> list[str]:
    """Return the columns that have values: a stream has no latencies."""
    return [
        field
        for field in COLUMNS
        if any(
            target["median"][field] is not None
            for comparison in scenario["comparisons"]
            for target in comparison["targets"].values()
        )
    ]


def notes(scenario: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know before trusting the rows of a scenario."""
    found = [f"{name}: not available: {why}" for name, why in scenario["missing"].items()]
    found += [f"{name}: failed: {why}" for name, why in scenario["failed"].items()]
    for comparison in scenario["comparisons"]:
        for name, target in comparison["targets"].items():
            where = f"{comparison['label']}, {name}"
            found += [f"{where}: {note}" for note in _notes(comparison["load"], target)]
    return found


def _notes(load: Mapping[str, Any], target: Mapping[str, Any]) -> list[str]:
    rounds, found = target["rounds"], []
    if target["errors"]:
        first = next(one["first_error"] for one in rounds if one["errors"])
        found.append(f"{target['errors']} errors, the first: {first}")
    settle_s = target["median"]["settle_s"]
    if settle_s > _LATE_PART * load["seconds"]:
        found.append(f"went on for {settle_s * 1e3:.0f} ms after the load had ended")
    closed = sum(one["held_closed"] for one in rounds)
    if closed:
        held = len(rounds) * load["hold"]["connections"]
        found.append(f"the server closed {closed:,} of {held:,} connections that were held")
    late, unsent = (sum(one[key] for one in rounds) for key in ("late", "unsent"))
    if late or unsent:
        total = unsent + sum(one["messages"] for one in rounds)
        found.append(f"of {total:,} messages {late:,} began late, {unsent:,} not at all")
    return found


def figure(target: Mapping[str, Any], name: str, field: str) -> str:
    """Return a median, with its ratio to the floor where there is one."""
    value, ratio = target["median"][field], target["ratio_to_floor"][field]
    if value is None:
        return "–"
    text = f"{value:,.2f}" if value < 10 else f"{value:,.0f}"
    return text if name == FLOOR or ratio is None else f"{text} ({ratio:.2f})"


def show_goals(console: Console, goals: Sequence[Mapping[str, Any]]) -> None:
    """Print what was to be reached, and what was."""
    table = new_table("goals", ["load", "figure"], ["measured", "goal", "met"])
    for goal in goals:
        value = number(goal["value"], goal["unit"])
        table.add_row(goal["load"], goal["figure"], value, goal["limit"], _MET[goal["met"]])
    console.print(table)
