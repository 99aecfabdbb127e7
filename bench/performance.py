"""``python -m bench.performance``: measure, and write the pages of figures with their plots."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import __main__ as runner
from bench.build import BUILD_DIR, ROOT
from bench.goals import check_goals
from bench.ledger.page import write_ledger_page
from bench.markdown import goals_section, machine_section, plot_section, table
from bench.plots import draw_plots
from bench.report import COLUMNS, figure, measured_fields, notes
from bench.rest.page import write_rest_page
from bench.style import LABELS
from bench.tables import si_time

__all__ = ["write_report"]

_MIB = 1024 * 1024
_CAPTIONS = {
    "throughput": "Throughput over clients, one connection per message.",
    "latency": "Latency at a fixed rate, from when a message was due.",
    "memory": "Memory of the server over open connections.",
}
_HEAD = """\
# Performance

What one run of the benchmark found, written by `make bench-report`. A figure
alone says little, so each is divided by a floor: the least that a C program
without any checks needs for the same bytes, measured in the same minutes, in
turns. [bench/README.md](../bench/README.md) says what is measured and how to
read the ratios. The [ledger](performance-ledger.md) and [REST](performance-rest.md) have pages of
their own.

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
    parser.add_argument(
        "--only", choices=["ledger", "rest"], help="measure this part, and write its page alone"
    )
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the page goes")
    options = parser.parse_args(arguments)
    status, source = 0, options.source
    if source is None:
        source = BUILD_DIR / "results.json"
        only = [f"--only={options.only}"] if options.only else []
        status = runner.main([f"--json={source}", *only, *["--quick"] * options.quick])
    results = json.loads(source.read_text())
    pages = [write(results, options.docs) for write in (write_ledger_page, write_rest_page)]
    if options.only is None:
        pages.append(write_report(results, options.docs))
    for page in filter(None, pages):
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
        machine_section(results),
        goals_section(check_goals(results)),
        *(plot_section(name, _CAPTIONS[name]) for name in plots),
        *map(_scenario, (_part(results, "server").get("scenarios") or {}).values()),
        _micro(_part(results, "micro")),
        _costs(_part(results, "costs")),
    ]
    page = docs / "performance.md"
    page.write_text("\n".join(section for section in sections if section), encoding="utf-8")
    return page


def _part(results: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what a part found; empty where it did not run."""
    return results.get(name) or {}


def _scenario(scenario: Mapping[str, Any]) -> str:
    title = scenario["title"][0].upper() + scenario["title"][1:]
    fields = measured_fields(scenario)
    rows = []
    for comparison in scenario["comparisons"]:
        for name, target in comparison["targets"].items():
            cells = [figure(target, name, field) for field in fields]
            rows.append((comparison["label"], LABELS.get(name, name), *cells))
    headings = ["load", "server", *(COLUMNS[field] for field in fields)]
    text = f"## {title}\n\nMedian (ratio to the floor).\n\n{table(headings, rows, 2)}"
    remarks = "".join(f"* {note}\n" for note in notes(scenario))
    return f"{text}\n{remarks}" if remarks else text


def _micro(micro: Mapping[str, Any]) -> str:
    rows = []
    for entry in micro.get("groups", ()):
        count = entry["extra"].get("messages") or entry["extra"].get("commands") or 1
        each = si_time(entry["median_s"] / count) if count > 1 else ""
        times = (si_time(entry["median_s"]), each, _ratio(entry["ratio"]))
        rows.append((entry["group"], entry["name"], *times))
    if not rows:
        return ""
    found = table(["group", "function", "a call", "each", "x the floor"], rows, 2)
    return f"## Single calls\n\n{found}"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


def _costs(found: Mapping[str, Any]) -> str:
    text = ""
    if starts := found.get("start_up"):
        rows = [(one["name"], si_time(one["median_s"]), _ratio(one["ratio"])) for one in starts]
        text += f"## Start-up and memory\n\n{table(['command', 'median', 'x python'], rows, 1)}\n"
    if idle := found.get("idle_memory"):
        text += f"A node that listens and is idle: {_mib(idle['resident_bytes'])} MiB resident.\n"
    if connections := found.get("connections"):
        headings = ["idle connections", "resident MiB", "bytes each", "after a message each"]
        text += f"\n{table(headings, [_connection_row(one) for one in connections], 0)}"
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
