"""Show results as tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.costs import IdleMemory, StartUp
from bench.harness import FLOOR, Comparison
from bench.micro import Micro

__all__ = ["show_codec", "show_comparisons", "show_memory", "show_start_up"]

_FIGURES = ("rate", "cpu_us", "p99_us", "p999_us")
_MIB = 1024 * 1024
_LATE_PART = 0.05
"""Work left at the end of a load, as a part of its time, that is worth a note."""


def show_comparisons(console: Console, comparisons: Sequence[Comparison]) -> None:
    """Print rates and latencies of every target, and its ratios to the floor."""
    title = "one connection per message: median (ratio to the floor)"
    table = _table(title, ["clients", "target"], ["messages/s", "cpu µs", "p99 µs", "p99.9 µs"])
    notes = []
    for comparison in comparisons:
        for name in comparison.rounds:
            cells = [_figure(comparison, name, field) for field in _FIGURES]
            last = name == list(comparison.rounds)[-1]
            table.add_row(str(comparison.load.clients), name, *cells, end_section=last)
            notes += _notes(comparison, name)
    console.print(table)
    for note in notes:
        console.print(note, style="yellow", markup=False)


def _notes(comparison: Comparison, target: str) -> list[str]:
    """Return what a reader must know before trusting the row."""
    notes = []
    where = f"{comparison.load.clients} clients, {target}"
    errors, settle_s = comparison.errors(target), comparison.value(target, "settle_s") or 0.0
    if errors:
        first = next(one.first_error for one in comparison.rounds[target] if one.errors)
        notes.append(f"{where}: {errors} errors, the first: {first}")
    if settle_s > _LATE_PART * comparison.load.seconds:
        notes.append(f"{where}: went on for {settle_s * 1e3:.0f} ms after the load had ended")
    return notes


def show_codec(console: Console, results: Sequence[Micro]) -> None:
    """Print the time of a call and of a byte, and the ratio to a copy of the bytes."""
    table = _table("codec", ["group", "function"], ["median µs", "MB/s", "x the copy"])
    for result in results:
        rate = result.size_bytes / result.median_s / 1e6
        cells = [f"{result.median_s * 1e6:,.3f}", f"{rate:,.0f}", f"{result.ratio:,.1f}"]
        table.add_row(result.group, result.name, *cells)
    console.print(table)


def show_start_up(console: Console, results: Sequence[StartUp]) -> None:
    """Print the start-up times."""
    table = _table("start to exit", ["command"], ["median ms", "least ms", "x python"])
    for result in results:
        cells = [f"{result.median_s * 1e3:.0f}", f"{result.least_s * 1e3:.0f}"]
        table.add_row(result.name, *cells, f"{result.ratio:.1f}")
    console.print(table)


def show_memory(console: Console, memory: IdleMemory) -> None:
    """Print the memory of an idle node."""
    table = _table("memory of an idle node", ["part"], ["MiB"])
    table.add_row("resident", f"{memory.resident_bytes / _MIB:.1f}")
    table.add_row("private", f"{memory.private_bytes / _MIB:.1f}")
    console.print(table)


def _table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for word in words:
        table.add_column(word)
    for number in numbers:
        table.add_column(number, justify="right")
    return table


def _figure(comparison: Comparison, target: str, field: str) -> str:
    value, ratio = comparison.value(target, field), comparison.ratio(target, field)
    if value is None:
        return "-"
    text = f"{value:,.0f}"
    return text if target == FLOOR or ratio is None else f"{text} ({ratio:.2f})"
