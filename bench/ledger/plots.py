"""Plots over the size of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.figures import Figures
from bench.ledger.queries import SHOWN
from bench.style import COLOURS, MUTED, few_ticks, label_ends, new_figure, prepare_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["LEDGER_PLOTS"]

Points = list[tuple[float, float]]

_RECORDED = "existing node, recorded elsewhere"
_RECORDED_POLLS: Points = [(100, 2.5e3), (1000, 8e3), (10_000, 55e3)]
_RECORDED_EXPRESSION: Points = [(1000, 12.8), (10_000, 122)]
_BLUE, _LIGHT, _VIOLET = COLOURS["drop"], COLOURS["count"], COLOURS["language"]
_GREEN, _RED, _GREY = COLOURS["batch"], COLOURS["reference node"], COLOURS["floor"]
_WARM = ("asyncio", "uvloop", "thread pool model")
_DASHES = (0, (4, 2))
_DOTS = (0, (1, 2))


@dataclass(frozen=True, slots=True)
class _Line:
    label: str
    points: Points
    colour: str
    dashes: Any = "solid"


def _draw(axes: Axes, title: str, unit: str, lines: Sequence[_Line]) -> None:
    prepare_axes(axes, title, "policies in the ledger", unit)
    for line in lines:
        axes.plot(
            *zip(*line.points, strict=True),
            marker="" if line.dashes == _DOTS else "o",
            markersize=4.5,
            linewidth=1.8,
            color=line.colour,
            linestyle=line.dashes,
            clip_on=False,
        )
    sizes = sorted({x for line in lines for x, _ in line.points})
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    axes.minorticks_off()
    few_ticks(axes)


def _finish(figure: Figure, panels: Sequence[tuple[Axes, Sequence[_Line]]]) -> Figure:
    figure.draw_without_rendering()  # the limits are final now
    for axes, lines in panels:
        label_ends(axes, [(line.label, *line.points[-1], line.colour) for line in lines])
    return figure


def _one(title: str, unit: str, lines: Sequence[_Line]) -> Figure | None:
    if not any(line.points for line in lines):
        return None
    drawn = [line for line in lines if line.points]
    figure = new_figure(8.6, 4.6)
    axes = figure.subplots()
    _draw(axes, title, unit, drawn)
    return _finish(figure, [(axes, drawn)])


def _goal(words: str, value: float, found: Sequence[tuple[int, Any]]) -> _Line:
    """Return a dotted line across the sizes that were measured."""
    points: Points = [(size, value) for size, _ in found]
    return _Line(f"goal: {words}", points, MUTED, _DOTS)


def _polls(figures: Figures) -> Figure | None:
    found = figures.over_sizes("polls")
    if not found:
        return None
    lines = [
        _Line(label, [(size, one[f"{name}_us"]) for size, one in found], colour)
        for name, label, colour in (
            ("session", "one session", _VIOLET),
            ("crowd", "1,000 sessions", _LIGHT),
            ("connection", "an existing node asks", _BLUE),
            ("exchange_floor", "C floor, exchange", _GREY),
        )
    ]
    lines += [
        _Line(_RECORDED, _RECORDED_POLLS, _RED, _DASHES),
        _goal("100 µs", 100, found),
    ]
    return _one("One poll of an unchanged ledger", "processor of the master, µs", lines)


def _changes(figures: Figures) -> Figure | None:
    found = figures.over_sizes("changes")
    if not found:
        return None
    counts = [row["followers"] for row in found[0][1]]
    colours = [_BLUE, _LIGHT, _VIOLET, _GREEN]
    lines = [
        _Line(
            f"{count:,} followers" if count > 1 else "a node alone",
            [(size, rows[place]["p99_ms"]) for size, rows in found],
            colours[place % len(colours)],
        )
        for place, count in enumerate(counts)
    ]
    lines.append(_goal("50 ms for 50", 50, found))
    return _one("One change, from its command to each follower", "p99, ms", lines)


def _first_sync(figures: Figures) -> Figure | None:
    found = figures.over_sizes("first_sync")
    if not found:
        return None
    figure = new_figure(10.5, 4.4)
    left, right = figure.subplots(1, 2)
    panels = [
        (
            left,
            "First ledger of a node",
            "thousand policies a second",
            [
                _Line("measured", [(n, one["per_second"] / 1e3) for n, one in found], _VIOLET),
                _goal("100", 100, found),
            ],
        ),
        (
            right,
            "Memory it takes",
            "multiple of the file's size",
            [
                _Line("measured", [(n, max(one["peak_ratio"], 0.01)) for n, one in found], _VIOLET),
                _goal("3", 3, found),
            ],
        ),
    ]
    for axes, title, unit, lines in panels:
        _draw(axes, title, unit, lines)
    return _finish(figure, [(axes, lines) for axes, _, _, lines in panels])


def _queries(figures: Figures) -> Figure | None:
    found = figures.over_sizes("queries")
    if not found:
        return None
    colours = (_BLUE, _LIGHT, _GREEN, _VIOLET, *(COLOURS[name] for name in _WARM))
    lines = [
        _Line(
            name,
            [
                (size, row["median_us"] / 1e3)
                for size, rows in found
                for row in rows
                if row["query"] == name
            ],
            colour,
        )
        for name, colour in zip(SHOWN, colours, strict=True)
    ]
    lines += [
        _Line(f"expression, {_RECORDED}", _RECORDED_EXPRESSION, _RED, _DASHES),
        _goal("1 ms at 10,000", 1, found),
    ]
    return _one("blockchain get", "median, ms", lines)


def _inserts(figures: Figures) -> Figure | None:
    found = figures.over_sizes("inserts")
    if not found:
        return None
    lines = [
        _Line(label, [(size, one[name]) for size, one in found], colour, dashes)
        for name, label, colour, dashes in (
            ("rate", "ten sessions", _VIOLET, "solid"),
            ("one_rate", "one session", _LIGHT, "solid"),
            ("floor_rate", "bare SQLite", _GREY, _DASHES),
            ("floor_batch_rate", "bare SQLite, tens", _GREY, _DASHES),
        )
    ]
    lines.append(_goal("1,000 a second", 1000, found))
    return _one("Acknowledged inserts", "policies a second", lines)


LEDGER_PLOTS: dict[str, Callable[[Figures], Figure | None]] = {
    "ledger-polls": _polls,
    "ledger-changes": _changes,
    "ledger-first_sync": _first_sync,
    "ledger-queries": _queries,
    "ledger-inserts": _inserts,
}
"""Name of each plot, ``ledger-`` and the key of its table, and what draws it."""
