"""What queries of the ledger cost over its size: whole commands, from the text to the answer.

``python -m bench.queries [--quick] [--policies N …]`` prints a table; `measure` returns the
same as rows. Nothing is sent: the interpreter of a node without services runs the commands.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from bench.tables import new_table, si_time
from edgelake.commands import SERVICE_KINDS, Interpreter, NodeParts, build_registry
from edgelake.interfaces import Permission, Result
from edgelake.language import Variables
from edgelake.ledger import LocalLedger
from edgelake.services.base import ServiceRegistry
from edgelake.storage import Databases, Home, LedgerFile

__all__ = ["POLICIES", "QUERIES", "QueryCost", "measure", "show"]

POLICIES = (100, 1_000, 10_000, 100_000)
"""Sizes of the ledger."""

_QUICK_POLICIES = (100, 1_000, 10_000)
_CALLS, _QUICK_CALLS = 400, 40
_LONGEST_S, _QUICK_LONGEST_S = 4.0, 0.5
_IN_A_ROOM = 5

QUERIES = {
    "by id": "blockchain get * where id = {id}",
    "by attribute": "blockchain get device where name = device-{n}",
    "by expression": "blockchain get device where [name] == device-{n}",
    "by a path": "blockchain get device where [site][room] == room-{room}",
    "by two attributes": "blockchain get device where kind = gauge and [site][room] == room-{room}",
    "one of two": "blockchain get device where name = device-{n} or [level] == {m}",
    "by a list": "blockchain get device where tags = tag-{n}",
    "by order": "blockchain get device where [level] >= {last}",
    "between": "blockchain get device where [level] > {n} and [level] < {above}",
    "all but": "blockchain get device where [status] != active",
    "what is true": "blockchain get device where [main]",
    "beginning of a text": "blockchain get device where [serial] startswith sn-x{n}x",
    "part of a text": "blockchain get device where [serial] contains x{n}x",
    "without an index": "blockchain get device where [level] > [limit]",
    "join": (
        "blockchain get device where name = device-{n}"
        " join ( blockchain get device where [site][room] == [device][site][room] )"
    ),
    "as stored": "blockchain read device where name = device-{n}",
}
"""Commands by what they show; each finds a few policies, whatever the size of the ledger is."""


@dataclass(frozen=True, slots=True)
class QueryCost:
    """What one query costs.

    Attributes
    ----------
    policies : int
        Size of the ledger.
    query : str
        A key of `QUERIES`.
    found : int
        Policies in the last answer.
    calls : int
        How often it was asked, each time for another value.
    first_us : float
        The first call, which makes the indices that it needs.
    median_us, p99_us : float
        All later ones.
    """

    policies: int
    query: str
    found: int
    calls: int
    first_us: float
    median_us: float
    p99_us: float


def measure(
    policies: Sequence[int] = POLICIES,
    *,
    quick: bool = False,
    progress: Callable[[str], None] = lambda _step: None,
) -> list[dict[str, Any]]:
    """Return the cost of each query at each size, as rows with the fields of `QueryCost`."""
    calls = _QUICK_CALLS if quick else _CALLS
    longest_s = _QUICK_LONGEST_S if quick else _LONGEST_S
    rows: list[dict[str, Any]] = []
    for size in policies:
        progress(f"queries of {size:,} policies")
        with _node(size) as run:
            for name, command in QUERIES.items():
                rows.append(asdict(_cost(run, size, name, command, calls, longest_s)))
    return rows


def show(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows that `measure` returned: a line for each query, its medians over the size."""
    sizes = sorted({row["policies"] for row in rows})
    columns = [f"{size:,}" for size in sizes]
    for field, title in (
        ("median_us", "queries: median of a whole command, over the policies of the ledger"),
        ("p99_us", "the same: 99 of 100 take no longer"),
        ("first_us", "the same: the first, which makes the indices"),
    ):
        table = new_table(title, ["query"], columns)
        for name in dict.fromkeys(row["query"] for row in rows):
            found = {row["policies"]: row[field] for row in rows if row["query"] == name}
            cells = [si_time(found[size] / 1e6) if size in found else "–" for size in sizes]
            table.add_row(name, *cells)
        console.print(table)


# ------------------------------------------------------------------- parts

_Run = Callable[[str], Result]


def _cost(run: _Run, size: int, name: str, command: str, calls: int, longest_s: float) -> QueryCost:
    """Ask once, then as often as is wanted, or for as long as is allowed."""
    first_s, found = _timed(run, command, size, 0)
    taken: list[float] = []
    gc.collect()
    end = time.perf_counter() + longest_s
    while len(taken) < calls and (len(taken) < 3 or time.perf_counter() < end):
        # Values from all over the ledger.
        seconds, found = _timed(run, command, size, (len(taken) + 1) * 7919)
        taken.append(seconds)
    return QueryCost(
        policies=size,
        query=name,
        found=found,
        calls=len(taken),
        first_us=first_s * 1e6,
        median_us=median(taken) * 1e6,
        p99_us=quantiles(taken, n=100, method="inclusive")[98] * 1e6,
    )


def _timed(run: _Run, command: str, size: int, number: int) -> tuple[float, int]:
    n = number % size
    text = command.format(
        n=n, m=(n * 31) % size, id=_id(n), room=n // _IN_A_ROOM, last=size - 3, above=n + 4
    )
    begin = time.perf_counter()
    result = run(text)
    seconds = time.perf_counter() - begin
    if len(result.data) > 16:
        raise RuntimeError(f"'{text}' found {len(result.data)} policies")
    return seconds, len(result.data)


@contextmanager
def _node(policies: int) -> Iterator[_Run]:
    """Yield what runs a command on a node with a ledger of so many policies."""
    with TemporaryDirectory(prefix="edgelake-bench-") as folder:
        home = Home(Path(folder))
        home.ledger_file.parent.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(_policy(n, policies)) + "\n" for n in range(policies))
        home.ledger_file.write_text("".join(lines))
        node = NodeParts(
            home=home,
            variables=Variables({}, {}),
            services=ServiceRegistry(*SERVICE_KINDS),
            databases=Databases(home.databases_dir),
            ledger=LocalLedger(LedgerFile(home.ledger_file)),
            permission=Permission.ADMIN,
        )
        if len(node.ledger.find()) != policies:
            raise RuntimeError("the ledger is not read whole")
        interpreter = Interpreter(build_registry(), node)
        answers: list[Result] = []

        def run(text: str) -> Result:
            answers.clear()
            interpreter.execute(text, answers.append)
            return answers[0]

        yield run


def _id(n: int) -> str:
    return f"{n * 0x9E3779B97F4A7C15 % 2**128:032x}"


def _policy(n: int, policies: int) -> dict[str, Any]:
    """Return a policy of 300 bytes as networks have them."""
    odd = n % max(1, policies // 4) == 0
    return {
        "device": {
            "name": f"device-{n}",
            "kind": "gauge" if n % 2 else "valve",
            "site": {"city": "San Francisco", "room": f"room-{n // _IN_A_ROOM}"},
            "level": n,
            "limit": n - 1 if odd else n + 1,
            "tags": [f"tag-{n}", "all"],
            "serial": f"sn-x{n}x-{n % 97}",
            "status": "spare" if odd else "active",
            "main": odd,
            "id": _id(n),
            "date": "2026-01-01T00:00:00.000000Z",
            "ledger": "global",
        }
    }


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 0."""
    parser = argparse.ArgumentParser(prog="bench.queries", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="coarser figures in less time")
    parser.add_argument("--policies", type=int, nargs="+", help="sizes of the ledger")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    options = parser.parse_args(arguments)
    console = Console()
    sizes = options.policies or (_QUICK_POLICIES if options.quick else POLICIES)
    rows = measure(sizes, quick=options.quick, progress=console.print)
    show(console, rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
