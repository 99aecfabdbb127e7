"""Queries over the size of the ledger, as `bench.queries` measures them."""

from __future__ import annotations

from typing import Any

from bench.part import Settings
from bench.queries import measure

__all__ = ["SHOWN", "WANTED", "queries"]

WANTED = ("by id", "by attribute", "by expression", "between")
"""Queries that have a goal."""

SHOWN = (*WANTED, "join", "part of a text", "without an index")
"""Queries in tables and plots; `bench.queries` has more."""


def queries(policies: int, settings: Settings) -> list[dict[str, Any]]:
    """Return the cost of each query of a node with so many policies.

    Raises
    ------
    RuntimeError
        A query found what it should not.
    """
    return measure([policies], quick=settings.quick)
