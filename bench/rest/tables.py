"""What the part ``rest`` found, as tables: for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.rest.crowd import CONNECTIONS

__all__ = ["TABLES", "RestTable"]

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RestTable:
    """A table of one scenario.

    Attributes
    ----------
    key : str
        Of what was found.
    title : str
    about : str
        What is measured, for the page.
    headings : tuple of str
    words : int
        So many of them, from the left, are no numbers.
    row : callable
    """

    key: str
    title: str
    about: str
    headings: Row
    words: int
    row: Callable[[Mapping[str, Any]], Row]

    def rows(self, found: Mapping[str, Any]) -> list[Row]:
        """Return the rows; none if the scenario was not measured."""
        return [self.row(one) for one in found.get(self.key, ())]


_COMPARED = (
    "bare app, calls/s",
    "node, calls/s",
    "ratio",
    "bare p99 ms",
    "node p50 ms",
    "node p99 ms",
    "bare CPU µs",
    "node CPU µs",
)


def _compared(one: Mapping[str, Any]) -> Row:
    return (
        f"{one['bare_rate']:,.0f}",
        f"{one['node_rate']:,.0f}",
        f"{one['ratio']:.2f}",
        f"{one['bare_p99_ms']:.1f}",
        f"{one['node_p50_ms']:.2f}",
        f"{one['node_p99_ms']:.1f}",
        f"{one['bare_cpu_us']:,.0f}",
        f"{one['node_cpu_us']:,.0f}",
    )


TABLES = (
    RestTable(
        "connections",
        "get status over the number of callers",
        "Callers on kept connections, each with one call at a time. The bare application answers"
        " the same text on the same server, uvicorn with the bounds of `services/http.py`, and does"
        " nothing else: no command, no level of the caller, no count. CPU is the server's for one"
        " call.",
        ("callers", *_COMPARED),
        0,
        lambda one: (f"{one['connections']:,}", *_compared(one)),
    ),
    RestTable(
        "kinds",
        "Kinds of calls",
        "Sixteen callers. For PUT the bare application writes the body into a file of its own, and"
        " synchronises that, before it answers; the node checks each row besides, and callers who"
        " come together share a synchronisation.",
        ("call", *_COMPARED),
        1,
        lambda one: (one["kind"], *_compared(one)),
    ),
    RestTable(
        "crowd",
        "Calls while others are in the way",
        f"`get status` for {CONNECTIONS} callers, beside others that want something of the same"
        " node and never get on. Ratios are to the first line.",
        ("beside", "calls/s", "ratio", "p99 ms", "ratio of p99", "max ms"),
        1,
        lambda one: (
            one["beside"],
            f"{one['rate']:,.0f}",
            f"{one['rate_ratio']:.2f}",
            f"{one['p99_ms']:.1f}",
            f"{one['p99_ms_ratio']:.2f}",
            f"{one['max_ms']:.1f}",
        ),
    ),
)
"""Every scenario, in the order of the page."""
