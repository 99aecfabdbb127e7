"""The page ``docs/performance-ledger.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.goals import check_goals
from bench.ledger.goals import LEDGER_GOALS
from bench.ledger.plots import LEDGER_PLOTS
from bench.ledger.tables import TABLES, LedgerTable
from bench.markdown import goals_section, machine_section, plot_section, table
from bench.plots import draw_plots
from bench.policies import POLICY_BYTES

__all__ = ["write_ledger_page"]

_HEAD = f"""\
# Performance of the ledger

What one run of the benchmark found for ledgers of 100 to 100,000 policies of {POLICY_BYTES} bytes,
written by `make bench-report`. [ledger.md](ledger.md) says how the ledger works,
[performance.md](performance.md) what the other parts cost.

    make bench-report ONLY=ledger                            # measure, and write this page
    python -m bench --only ledger                            # measure, and print the tables
    make bench-report ONLY=ledger FROM=build/bench/results.json

The master and one follower are nodes in processes of their own. Followers in numbers are
sessions that one loop plays, because a thousand nodes do not fit on two cores; to the master the
difference cannot be seen. Inserts and polls are compared with bare loops that do the same work
without a node, in turns in the same minutes. What is said of *the existing node* was recorded
elsewhere, on another machine of two cores, and stands here for its order of magnitude:
no ratio is made of it.
"""


def write_ledger_page(results: dict[str, Any], docs: Path) -> Path | None:
    """Return the path of the page that was written; ``None`` if the run has no ledger.

    Parameters
    ----------
    results : dict
        The content of ``results.json``.
    docs : Path
        Gets ``performance-ledger.md``, and the plots in ``performance/``.
    """
    found = results.get("ledger") or {}
    if not found.get("sizes"):
        return None
    plots = draw_plots(results, docs / "performance", LEDGER_PLOTS)
    failed = "".join(f"* not measured: {line}\n" for line in found.get("failed", ()))
    sections = [
        _HEAD,
        machine_section(results),
        goals_section(check_goals(results, LEDGER_GOALS)),
        failed,
        *(_section(one, found, plots) for one in TABLES),
    ]
    page = docs / "performance-ledger.md"
    page.write_text("\n".join(section for section in sections if section), encoding="utf-8")
    return page


def _section(scenario: LedgerTable, found: Mapping[str, Any], plots: list[str]) -> str:
    rows = scenario.rows(found["sizes"])
    if not rows:
        return ""
    parts = [f"## {scenario.title}\n", f"{scenario.about}\n"]
    parts.append(table(scenario.headings, rows, scenario.words))
    if scenario.reference:
        parts.append(f"The existing node, as recorded elsewhere: {scenario.reference}\n")
    name = f"ledger-{scenario.key}"
    if name in plots:
        parts.append(plot_section(name, f"{scenario.title}, over the size of the ledger."))
    return "\n".join(parts)
