"""``python -m bench.performance``: measure, and write ``docs/performance.md`` with its plots."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import __main__ as runner
from bench.build import BUILD_DIR, ROOT
from bench.goals import check_goals, number
from bench.plots import draw_plots
from bench.report import COLUMNS, figure, measured_fields, notes
from bench.style import LABELS
from bench.tables import si_time

__all__ = ["write_report"]

_MIB = 1024 * 1024
_FACTS = ("processor", "cores", "kernel", "python", "compiler", "flags", "commit", "time")
_MET = {True: "yes", False: "**no**", None: "–"}
_CAPTIONS = {
    "throughput": "Throughput over clients, one connection per message.",
    "latency": "Latency at a fixed rate, from when a message was due.",
    "ledger": "Cost of a poll over the size of the ledger.",
    "memory": "Memory of the server over open connections.",
}
_HEAD = """\
# Performance

What one run of the benchmark found, written by `make bench-report`. A figure
alone says little, so each is divided by a floor: the least that a C program
without any checks needs for the same bytes, measured in the same minutes, in
turns. [bench/README.md](../bench/README.md) says what is measured and how to
read the ratios.

    make bench-report                                       # measure, and write this page
    make bench-report FROM=build/bench/results.json         # write it from an earlier run
"""


def main(arguments: Sequence[str]) -> int:
    """Measure if needed, and write the report; the exit status of the run."""
    parser = argparse.ArgumentParser(prog="bench.performance", description=__doc__)
    parser.add_argument(
        "--from", dest="source", type=Path, help="results of an earlier run; nothing is measured"
    )
    parser.add_argument("--quick", action="store_true", help="measure coarser figures")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the page goes")
    options = parser.parse_args(arguments)
    status, source = 0, options.source
    if source is None:
        source = BUILD_DIR / "results.json"
        status = runner.main([f"--json={source}", *["--quick"] * options.quick])
    page = write_report(json.loads(source.read_text()), options.docs)
    print(f"report: {page}")
    return status


def write_report(results: dict[str, Any], docs: Path) -> Path:
    """Return the path of the page that was written from the results of a run.

    Parameters
    ----------
    results : dict
        The content of ``results.json``.
    docs : Path
        Gets ``performance.md``, and the plots in ``performance/``.

    Raises
    ------
    RuntimeError
        matplotlib is not installed.
    """
    plots = draw_plots(results, docs / "performance")
    sections = [
        _HEAD,
        _machine(results),
        _goals(results),
        *(_plot(name) for name in plots),
        *map(_scenario, (_part(results, "server").get("scenarios") or {}).values()),
        _micro(_part(results, "micro")),
        _costs(_part(results, "costs")),
        _ledger(_part(results, "ledger")),
    ]
    page = docs / "performance.md"
    page.write_text("\n".join(section for section in sections if section), encoding="utf-8")
    return page


def _part(results: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what a part found; empty where it did not run."""
    return results.get(name) or {}


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """Return a table whose first columns are words and whose others are numbers."""
    rule = ["---"] * words + ["---:"] * (len(headings) - words)
    lines = [" | ".join(cells) for cells in (headings, rule, *rows)]
    return "".join(f"| {line} |\n" for line in lines)


def _machine(results: Mapping[str, Any]) -> str:
    facts = results["machine"]
    rows = [(name, str(facts[name])) for name in _FACTS if name in facts]
    load = " ".join(f"{value:.2f}" for value in facts.get("load_average", ()))
    rows += [("load before the run", load), ("command", f"`{results['command']}`")]
    return f"## The run\n\n{_table(['', ''], rows, 2)}"


def _goals(results: dict[str, Any]) -> str:
    rows = [
        (
            goal["load"],
            goal["figure"],
            number(goal["value"], goal["unit"]),
            goal["limit"],
            _MET[goal["met"]],
        )
        for goal in check_goals(results)
    ]
    table = _table(["load", "figure", "measured", "goal", "met"], rows, 2)
    return f"## Goals\n\n{table}\n– was not measured in this run.\n"


def _plot(name: str) -> str:
    caption = _CAPTIONS[name]
    return f"![{caption}](performance/{name}.svg)\n\n{caption} ([PNG](performance/{name}.png))\n"


def _scenario(scenario: Mapping[str, Any]) -> str:
    title = scenario["title"][0].upper() + scenario["title"][1:]
    fields = measured_fields(scenario)
    rows = []
    for comparison in scenario["comparisons"]:
        for name, target in comparison["targets"].items():
            cells = [figure(target, name, field) for field in fields]
            rows.append((comparison["label"], LABELS.get(name, name), *cells))
    headings = ["load", "server", *(COLUMNS[field] for field in fields)]
    text = f"## {title}\n\nMedian (ratio to the floor).\n\n{_table(headings, rows, 2)}"
    remarks = "".join(f"* {note}\n" for note in notes(scenario))
    return f"{text}\n{remarks}" if remarks else text


def _micro(found: Mapping[str, Any]) -> str:
    rows = []
    for entry in found.get("groups", ()):
        count = entry["extra"].get("messages") or entry["extra"].get("commands") or 1
        each = si_time(entry["median_s"] / count) if count > 1 else ""
        times = (si_time(entry["median_s"]), each, _ratio(entry["ratio"]))
        rows.append((entry["group"], entry["name"], *times))
    if not rows:
        return ""
    table = _table(["group", "function", "a call", "each", "x the floor"], rows, 2)
    return f"## Single calls\n\n{table}"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


def _costs(found: Mapping[str, Any]) -> str:
    text = ""
    if starts := found.get("start_up"):
        rows = [(one["name"], si_time(one["median_s"]), _ratio(one["ratio"])) for one in starts]
        text += f"## Start-up and memory\n\n{_table(['command', 'median', 'x python'], rows, 1)}\n"
    if idle := found.get("idle_memory"):
        text += f"A node that listens and is idle: {_mib(idle['resident_bytes'])} MiB resident.\n"
    if connections := found.get("connections"):
        headings = ["idle connections", "resident MiB", "bytes each", "after a message each"]
        text += f"\n{_table(headings, [_connection_row(one) for one in connections], 0)}"
    if soak := found.get("soak"):
        text += (
            f"\n{soak['messages']:,} messages: resident {_mib(soak['resident_before'])} MiB before"
            f" and {_mib(soak['resident_after'])} MiB after, descriptors"
            f" {soak['descriptors_before']} and {soak['descriptors_after']}.\n"
        )
    return text


def _connection_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    each = (one["per_connection_bytes"], one["used_per_connection_bytes"])
    sizes = (f"{size:,.0f}" for size in each)
    return (f"{one['connections']:,}", _mib(one["resident_bytes"]), *sizes)


def _mib(size: float) -> str:
    return f"{size / _MIB:.1f}"


def _ledger(found: Mapping[str, Any]) -> str:
    rows = [
        (f"{row['policies']:,}", f"{row['unchanged_us']:,.0f}", f"{row['changed_us']:,.0f}")
        for row in found.get("sync", ())
    ]
    if not rows:
        return ""
    table = _table(["policies", "unchanged µs", "changed µs"], rows, 0)
    return f"## A poll of the ledger\n\n{table}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
