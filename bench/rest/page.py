"""The page ``docs/performance-rest.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.goals import check_goals
from bench.markdown import goals_section, machine_section, table
from bench.rest.goals import REST_GOALS
from bench.rest.tables import TABLES

__all__ = ["write_rest_page"]

_HEAD = """\
# Performance of REST

What one run of the benchmark found for calls by HTTP, written by `make bench-report`.
[rest.md](rest.md) says how the server works, [performance.md](performance.md) what the other
parts cost.

    make bench-report ONLY=rest                              # measure, and write this page
    python -m bench --only rest                              # measure, and print the tables
    make bench-report ONLY=rest FROM=build/bench/results.json

The load is wrk (Debian package `wrk`), in turns on a node and on a bare application, each in
a process of its own on the same machine. Figures are medians over the rounds, ratios medians of
the ratios within a round. A server has one thread for HTTP: what is above its processor time
for a call waits.
"""


def write_rest_page(results: dict[str, Any], docs: Path) -> Path | None:
    """Return the path of the page that was written; ``None`` if the run has no calls by REST.

    Parameters
    ----------
    results : dict
        The content of ``results.json``.
    docs : Path
        Gets ``performance-rest.md``.
    """
    found = results.get("rest") or {}
    if not found.get("connections"):
        return None
    sections = [
        _HEAD,
        machine_section(results),
        goals_section(check_goals(results, REST_GOALS)),
        *(
            f"## {one.title[0].upper()}{one.title[1:]}\n\n{one.about}\n\n"
            f"{table(one.headings, one.rows(found), one.words)}"
            for one in TABLES
        ),
    ]
    page = docs / "performance-rest.md"
    page.write_text("\n".join(sections), encoding="utf-8")
    return page
