"""The part ``ledger``: every scenario over the size of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from bench.ledger import changes, first_sync, inserts, polls, queries
from bench.ledger.tables import TABLES
from bench.master import running_master
from bench.part import Settings
from bench.tables import new_table

__all__ = ["SIZES", "LedgerPart"]

SIZES = (100, 1000, 10_000, 100_000)
"""Policies of the ledgers that are measured."""

_STEPS = 5


class LedgerPart:
    """Polls, changes, first ledgers, inserts and queries, over the size of the ledger.

    Parameters
    ----------
    sizes : sequence of int
        Policies of each ledger.
    crowd : int
        Followers that ask at once.
    followers : sequence of int
        Who are told of a change.
    at_once : int
        Followers that take their first ledger in the same moment.
    """

    name = "ledger"

    def __init__(
        self,
        sizes: Sequence[int] = SIZES,
        crowd: int = polls.FOLLOWERS,
        followers: Sequence[int] = changes.FOLLOWERS,
        at_once: int = first_sync.AT_ONCE,
    ) -> None:
        self._sizes = sizes
        self._crowd = crowd
        self._followers = followers
        self._at_once = at_once

    def steps(self, settings: Settings) -> int:
        """Return how many lines of progress there will be."""
        return _STEPS * len(self._sizes)

    def run(self, settings: Settings, progress: Callable[[str], None]) -> dict[str, Any]:
        """Measure ledgers of each size; one that fails is named, and the others go on.

        Raises
        ------
        RuntimeError
            None could be measured.
        """
        found: list[dict[str, Any]] = []
        failed: list[str] = []
        for size in self._sizes:
            one: dict[str, Any] = {"policies": size}
            found.append(one)
            try:
                self._measure(size, settings, progress, one)
            except (RuntimeError, OSError) as exc:
                failed.append(f"{size:,} policies: {exc}")
        return {"sizes": found, "failed": failed}

    def _measure(
        self,
        size: int,
        settings: Settings,
        progress: Callable[[str], None],
        one: dict[str, Any],
    ) -> None:
        name = f"{size:,} policies"
        progress(f"queries of {name}")
        one["queries"] = queries.queries(size, settings)
        with running_master(size) as master:
            progress(f"polls of {name}")
            one["polls"] = polls.polls(master, settings, self._crowd)
            progress(f"first ledger of {name}")
            one["first_sync"] = first_sync.first_sync(master, size, settings)
            one["at_once"] = first_sync.many_at_once(master, self._at_once)
            progress(f"changes of {name}")
            with first_sync.following(master, size) as (node, _):
                one["changes"] = changes.changes(master, node, settings, self._followers)
            progress(f"inserts into {name}")
            one["inserts"] = inserts.inserts(master, settings)

    def show(self, console: Console, found: Mapping[str, Any]) -> None:
        """Print a table of each scenario."""
        for scenario in TABLES:
            rows = scenario.rows(found["sizes"])
            if not rows:
                continue
            words = scenario.headings[: scenario.words]
            table = new_table(scenario.title, words, scenario.headings[scenario.words :])
            for row in rows:
                table.add_row(*row)
            console.print(table)
