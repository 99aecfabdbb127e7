"""The tables of ``docs/metrics.md``, from the declarations: ``make docs`` writes them."""

from __future__ import annotations

import sys
from pathlib import Path

from edgelake.rest.metric_list import METRICS

__all__ = ["with_tables"]

BEGIN = "<!-- metrics: made by `make docs` -->"
END = "<!-- end of metrics -->"


def with_tables(page: str) -> str:
    """Return the page with the tables of all metrics in their place.

    Raises
    ------
    ValueError
        The page has no place for them.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for the metrics")
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} "
        f"| {metric.help} |"
        for metric in METRICS
    ]
    table = "\n".join(lines)
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
