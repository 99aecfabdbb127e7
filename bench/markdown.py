"""Parts that all pages of figures have: tables, the facts of a run, its goals, its plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.goals import number

__all__ = ["goals_section", "machine_section", "plot_section", "table"]

_FACTS = ("processor", "cores", "kernel", "python", "compiler", "flags", "commit", "time")
_MET = {True: "yes", False: "**no**", None: "–"}


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """Return a table whose first columns are words and whose others are numbers."""
    rule = ["---"] * words + ["---:"] * (len(headings) - words)
    lines = [" | ".join(cells) for cells in (headings, rule, *rows)]
    return "".join(f"| {line} |\n" for line in lines)


def machine_section(results: Mapping[str, Any]) -> str:
    """Return where and how a run was made."""
    facts = results["machine"]
    rows = [(name, str(facts[name])) for name in _FACTS if name in facts]
    load = " ".join(f"{value:.2f}" for value in facts.get("load_average", ()))
    rows += [("load before the run", load), ("command", f"`{results['command']}`")]
    return f"## The run\n\n{table(['', ''], rows, 2)}"


def goals_section(goals: Sequence[Mapping[str, Any]]) -> str:
    """Return what was to be reached and what was, as `bench.goals.check_goals` gives it."""
    rows = [
        (
            goal["load"],
            goal["figure"],
            number(goal["value"], goal["unit"]),
            goal["limit"],
            _MET[goal["met"]],
        )
        for goal in goals
    ]
    found = table(["load", "figure", "measured", "goal", "met"], rows, 2)
    return f"## Goals\n\n{found}\n– was not measured in this run.\n"


def plot_section(name: str, caption: str) -> str:
    """Return a plot that lies in the folder ``performance`` beside the page."""
    return f"![{caption}](performance/{name}.svg)\n\n{caption} ([PNG](performance/{name}.png))\n"
