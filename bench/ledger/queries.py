"""``blockchain get`` by id, by attribute and by expression, on the ledger of a node."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.part import Settings
from bench.policies import SITES, policy_id, policy_line
from edgelake import Node

__all__ = ["QUERIES", "queries"]

_RUNS_S, _QUICK_RUNS_S = 0.2, 0.05
_LEAST_RUNS = 3


def _by_expression(policies: int) -> str:
    low = policies // 2
    return f"blockchain get device where [rank] >= {low} and [rank] < {low + 5}"


QUERIES: dict[str, Callable[[int], str]] = {
    "by id": lambda policies: f"blockchain get * where id = {policy_id(policies // 2)}",
    "by attribute": lambda policies: f'blockchain get device where name = "pump {policies // 2}"',
    "by attribute of every hundredth": lambda policies: (
        f"blockchain get device where site = site{policies // 2 % SITES}"
    ),
    "by expression, equality": lambda policies: (
        f'blockchain get device where [name] == "pump {policies // 2}"'
    ),
    "by expression, range": _by_expression,
}
"""What is asked of a ledger with so many policies."""


def queries(policies: int, settings: Settings) -> list[dict[str, Any]]:
    """Return the time of each query, from the command's text to its answer.

    Raises
    ------
    RuntimeError
        A query found nothing.
    """
    with tempfile.TemporaryDirectory(prefix="edgelake-bench-") as home, Node(home) as node:
        path = Path(node.home.ledger_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{policy_line(number)}\n" for number in range(policies)))
        node.run(QUERIES["by id"](policies))  # reads the file
        return [
            {"query": name, **_timed(node, text(policies), settings)}
            for name, text in QUERIES.items()
        ]


def _timed(node: Node, command: str, settings: Settings) -> dict[str, Any]:
    begin = time.perf_counter()
    found = node.run(command).data
    first = time.perf_counter() - begin
    if not found:
        raise RuntimeError(f"nothing was found by: {command}")
    took: list[float] = []
    end = time.perf_counter() + (_QUICK_RUNS_S if settings.quick else _RUNS_S)
    while time.perf_counter() < end or len(took) < _LEAST_RUNS:
        begin = time.perf_counter()
        node.run(command)
        took.append(time.perf_counter() - begin)
    return {"command": command, "found": len(found), "first_s": first, "median_s": median(took)}
