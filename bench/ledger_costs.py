"""The part ``ledger``: what keeping followers in step costs a master."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from rich.console import Console

from bench.master import POLICIES, Master, running_master
from bench.part import Settings
from bench.tables import new_table

__all__ = ["LedgerPart"]

_POLLS, _QUICK_POLLS = 1000, 300
_CHANGED, _QUICK_CHANGED = 15, 5


class LedgerPart:
    """Polls of an unchanged and of a changed ledger, over its size.

    Parameters
    ----------
    policies : sequence of int
        Sizes of the ledger.
    """

    name = "ledger"

    def __init__(self, policies: Sequence[int] = POLICIES) -> None:
        self._policies = policies

    def run(self, settings: Settings, progress: Callable[[str], None]) -> dict[str, Any]:
        """Measure a master of each size.

        Raises
        ------
        RuntimeError
            A master failed.
        """
        found = []
        for policies in self._policies:
            progress(f"polls of {policies:,} policies")
            with running_master(policies) as master:
                found.append({"policies": policies, **_measure(master, settings)})
        return {"sync": found}

    def show(self, console: Console, found: dict[str, Any]) -> None:
        """Print the cost of a poll over the size of the ledger."""
        numbers = ["unchanged, µs of processor", "changed, µs to the last byte"]
        table = new_table("polls of a master", [], ["policies", *numbers])
        for one in found["sync"]:
            cells = [f"{one[name]:,.1f}" for name in ("unchanged_us", "changed_us")]
            table.add_row(f"{one['policies']:,}", *cells)
        console.print(table)


def _measure(master: Master, settings: Settings) -> dict[str, float]:
    polls = _QUICK_POLLS if settings.quick else _POLLS
    master.poll_unchanged(polls)
    unchanged = [master.poll_unchanged(polls) / polls for _ in range(settings.rounds)]
    changed = []
    for _ in range(_QUICK_CHANGED if settings.quick else _CHANGED):
        master.settle()
        begin = time.perf_counter()
        master.poll_changed()
        changed.append(time.perf_counter() - begin)
    return {"unchanged_us": median(unchanged) * 1e6, "changed_us": median(changed) * 1e6}
