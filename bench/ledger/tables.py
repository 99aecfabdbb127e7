"""What the scenarios of the ledger found, as tables: for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.ledger.queries import SHOWN
from bench.tables import MIB, si_time

__all__ = ["TABLES", "LedgerTable"]

Sizes = Sequence[Mapping[str, Any]]
Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LedgerTable:
    """A table over the sizes of the ledger.

    Attributes
    ----------
    key : str
        Of what was found for a size; a plot of this name belongs to the table.
    title : str
    about : str
        What is measured, for the page.
    headings : tuple of str
    words : int
        So many of them, from the left, are no numbers.
    row : callable
        Makes the rows of one size.
    reference : str
        What was recorded of the network's existing node, ``""`` if nothing.
    """

    key: str
    title: str
    about: str
    headings: Row
    words: int
    row: Callable[[Mapping[str, Any]], list[Row]]
    reference: str = ""

    def rows(self, sizes: Sizes) -> list[Row]:
        """Return the rows of all sizes that were measured."""
        return [row for one in sizes if self.key in one for row in self.row(one)]


def _policies(one: Mapping[str, Any]) -> str:
    return f"{one['policies']:,}"


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _times(value: float, ratio: float) -> str:
    """Return processor time in µs, and how often that of the floor it is."""
    return f"{value:,.0f} ({ratio:.1f})"


def _poll(one: Mapping[str, Any]) -> list[Row]:
    found = one["polls"]
    times = (
        _times(found[f"{name}_us"], found[f"{name}_ratio"])
        for name in ("session", "crowd", "connection")
    )
    texts = (_number(found[f"{name}_bytes"]) for name in ("asked", "answered", "connection_asked"))
    return [(_policies(one), *texts, *times)]


def _change(one: Mapping[str, Any]) -> list[Row]:
    names = ("stored_ms", "node_ms", "p50_ms", "p99_ms", "max_ms", "cpu_ms")
    return [
        (
            _policies(one),
            f"{found['followers']:,}",
            *(_number(found[name], 1) for name in names),
            _number(found["received_bytes"]),
        )
        for found in one["changes"]
    ]


def _first(one: Mapping[str, Any]) -> list[Row]:
    found = one["first_sync"]
    return [
        (
            _policies(one),
            si_time(found["seconds"]),
            _number(found["per_second"]),
            _number(found["file_bytes"] / MIB, 2),
            _number(found["peak_above_idle_bytes"] / MIB, 1),
            _number(found["peak_ratio"], 1),
            _number(found["queried_ratio"], 1),
        )
    ]


def _at_once(one: Mapping[str, Any]) -> list[Row]:
    found = one["at_once"]
    return [
        (
            _policies(one),
            _number(found["followers"]),
            si_time(found["seconds"]),
            _number(found["refused"]),
            si_time(found["cpu_s"] / found["followers"]),
            _number(found["peak_above_idle_bytes"] / MIB, 1),
            _number(found["peak_above_idle_bytes"] / found["answer_bytes"], 1),
        )
    ]


def _query(one: Mapping[str, Any]) -> list[Row]:
    return [
        (
            found["query"],
            _policies(one),
            *(si_time(found[f"{name}_us"] / 1e6) for name in ("median", "p99", "first")),
        )
        for found in one["queries"]
        if found["query"] in SHOWN
    ]


def _insert(one: Mapping[str, Any]) -> list[Row]:
    found = one["inserts"]
    return [
        (
            _policies(one),
            f"{found['rate']:,.0f} ({found['ratio']:.2f}; {found['batch_ratio']:.2f})",
            _number(found["p50_ms"], 2),
            _number(found["p99_ms"], 2),
            f"{found['one_rate']:,.0f} ({found['one_ratio']:.2f})",
            _number(found["one_ms"], 2),
            _number(found["one_p99_ms"], 2),
            _number(found["floor_rate"]),
            _number(found["floor_batch_rate"]),
        )
    ]


TABLES = (
    LedgerTable(
        "polls",
        "A poll of an unchanged ledger",
        "A follower of ours asks `event get_ledger_after` by its session, one question after the"
        " other, or a thousand sessions ask at once; an existing node asks `event get_blockchain`"
        " on a connection of its own and is answered with nothing. Bytes are those of the text;"
        " on the wire each message is a block of 2,048 bytes, as all messages of the network are."
        " Processor time is the master's for one poll; in brackets, how often that of a bare C"
        " loop it is, which exchanges such blocks (for existing nodes: accepts, reads and closes).",
        (
            "policies",
            "asked, bytes",
            "answered, bytes",
            "asked by existing, bytes",
            "one session, µs",
            "1,000 sessions, µs",
            "existing node, µs",
        ),
        0,
        _poll,
        "100 policies: 31 kB and 1–4 ms of the master for a poll; 1,000: 311 kB, 7–9 ms; 10,000:"
        " 3.1 MB, 55 ms, and 147 ms of the node. Ten nodes that poll every 3 s: an unrelated"
        " command waits up to 20.9 s.",
    ),
    LedgerTable(
        "changes",
        "One change to many followers",
        "Milliseconds from the command that inserts a policy on the master (`blockchain push"
        " confirm`): until it is acknowledged, until `blockchain get` of a node that follows in"
        " a process of its own shows it, and until each follower has it. All followers but that"
        " node are sessions, played by one loop; their share of the processor is not the"
        " master's. Bytes are the text that a follower receives for the change: the notice, and"
        " the answer with the one entry.",
        (
            "policies",
            "followers",
            "acknowledged",
            "node",
            "p50",
            "p99",
            "max",
            "master's processor, ms",
            "bytes each",
        ),
        0,
        _change,
        "with polls every 3 s: 0.7 s until an insert is visible on 2 nodes, 6.2 s on 6, 18 s on"
        " 10; each change is the whole ledger again for every node.",
    ),
    LedgerTable(
        "first_sync",
        "The first ledger of a node",
        "From `run blockchain sync` until the ledger is on the node's disk and in its memory."
        " Memory is the peak of the node above what it had before: until then, and when one"
        " command has looked at each policy, which makes an object of it.",
        (
            "policies",
            "time",
            "policies/s",
            "file, MiB",
            "memory, MiB",
            "x the file",
            "all looked at",
        ),
        0,
        _first,
        "10,000 policies in 0.16 s; 112 MB of memory when empty, 189 MB with 10,000.",
    ),
    LedgerTable(
        "at_once",
        "Many first ledgers at once",
        "Sessions that ask for the whole ledger in the same moment. Time until all have all of"
        " it; how often one was told that there is no room now, and asked again half a second"
        " later; the master's processor time for each; the peak of the master's memory above what"
        " it had before, also as a multiple of one answer.",
        (
            "policies",
            "followers",
            "time",
            "refused",
            "processor each",
            "memory, MiB",
            "x one answer",
        ),
        0,
        _at_once,
    ),
    LedgerTable(
        "queries",
        "Queries",
        "`blockchain get` inside a node, from the text of the command to its answer, each time for"
        " another value and with up to five policies in the answer; the first one may make an"
        " index. `python -m bench.queries` shows more of them.",
        ("query", "policies", "median", "p99", "first"),
        1,
        _query,
        "10, 1,000 and 10,000 policies: `k = v` 1.5, 2.0 and 8.2 ms; `[k] == v` 2.0, 12.8 and"
        " 122 ms.",
    ),
    LedgerTable(
        "inserts",
        "Acknowledged inserts",
        "Policies that a master has on its disk when it answers, from ten sessions at once and"
        " from one, each sending its next when the one before is acknowledged. In brackets the"
        " part of what bare SQLite stores with the same durability in a transaction each; for"
        " ten sessions also of transactions of ten rows.",
        (
            "policies",
            "ten, policies/s",
            "p50 ms",
            "p99 ms",
            "one, policies/s",
            "p50 ms ",
            "p99 ms ",
            "SQLite, policies/s",
            "SQLite in tens",
        ),
        0,
        _insert,
        "an insert with a small push to the master takes about 130 ms.",
    ),
)
"""Every scenario, in the order of the page."""
