"""Draw the results of a run: PNG and SVG, with matplotlib (the extra ``bench``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.figures import Figures
from bench.style import (
    COLOURS,
    INK,
    LABELS,
    MUTED,
    STYLES,
    few_ticks,
    label_ends,
    new_figure,
    prepare_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PLOTS", "draw_plots"]

Plot = Callable[[Figures], "Figure | None"]

_DPI = 110
_MIB = 1024 * 1024
_GOAL_BYTES = 1024
"""Of memory for an idle connection, see `bench.goals`."""
_PERCENTS = (50, 90, 99, 99.9, 99.99)


def draw_plots(
    results: Mapping[str, Any], folder: Path, plots: Mapping[str, Plot] | None = None
) -> list[str]:
    """Write every plot there is data for; return their names.

    Parameters
    ----------
    results : mapping
        The content of ``results.json``.
    folder : Path
        Gets ``NAME.png`` and ``NAME.svg``; made when it is not there.
    plots : mapping or None
        Name and what draws it; by default `PLOTS`.

    Raises
    ------
    RuntimeError
        matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as exc:
        raise RuntimeError("plots need matplotlib: pip install 'edgelake[bench]'") from exc
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, draw in (PLOTS if plots is None else plots).items():
        figure = draw(Figures(results))
        if figure is None:
            continue
        figure.savefig(folder / f"{name}.png", dpi=_DPI)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        drawn.append(name)
    return drawn


# --------------------------------------------------------------- throughput


def _throughput(figures: Figures) -> Figure | None:
    lines: dict[str, list[tuple[int, float]]] = {}
    for comparison in figures.comparisons("connection"):
        for name, target in comparison["targets"].items():
            point = (comparison["load"]["clients"], target["median"]["rate"] / 1e3)
            lines.setdefault(name, []).append(point)
    if not lines:
        return None
    figure = new_figure(9.2, 5.0)
    axes = figure.subplots()
    title = "Messages a second, one connection for each"
    prepare_axes(axes, title, "clients at a time", "thousand messages a second")
    for name, points in lines.items():
        _line(axes, name, points)
    clients = sorted({count for points in lines.values() for count, _ in points})
    axes.set_xscale("log", base=2)
    axes.set_xticks(clients, [str(count) for count in clients])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    _label(figure, axes, lines)
    return figure


def _line(axes: Axes, name: str, points: list[tuple[Any, float]], marker: str = "o") -> None:
    axes.plot(
        *zip(*points, strict=True),
        marker=marker,
        markersize=4.5,
        linewidth=1.8,
        color=COLOURS.get(name, MUTED),
        linestyle=STYLES.get(name, "solid"),
        clip_on=False,
    )


def _label(figure: Figure, axes: Axes, lines: Mapping[str, list[tuple[Any, float]]]) -> None:
    figure.draw_without_rendering()  # the limits are final now
    ends = [
        (LABELS.get(name, name), *points[-1], COLOURS.get(name, MUTED))
        for name, points in lines.items()
    ]
    label_ends(axes, ends)


# ------------------------------------------------------------------ latency


def _latency(figures: Figures) -> Figure | None:
    comparisons = figures.comparisons("rate")
    if not comparisons:
        return None
    figure = new_figure(2.0 + 4.8 * len(comparisons), 4.8)
    panels = figure.subplots(1, len(comparisons), sharey=True, squeeze=False)[0]
    most = max(
        points[-1][0]
        for comparison in comparisons
        for points in _latency_lines(comparison).values()
    )
    for axes, comparison in zip(panels, comparisons, strict=True):
        lines = _latency_lines(comparison)
        rate = comparison["load"]["rate"]
        first = axes is panels[0]
        title = f"{rate:,.0f} messages a second"
        prepare_axes(axes, "", "percentile of messages", "latency, ms" if first else "")
        for name, points in lines.items():
            _line(axes, name, points, marker="")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(title, loc="left", color=MUTED, fontsize=10, pad=8)
        axes.set_xlim(1, most)
        ticks = [percent for percent in _PERCENTS if _nines(percent) <= most * 1.01]
        axes.set_xticks([_nines(percent) for percent in ticks], [f"{p:g}" for p in ticks])
        axes.minorticks_off()
        few_ticks(axes)
        axes.grid(axis="x", color="#f1f2f4", linewidth=0.8)
        _label(figure, axes, lines)
    figure.suptitle(
        "Latency from when a message was due, fixed rate, 64 clients",
        x=0.012,
        ha="left",
        color=INK,
        fontsize=11,
        fontweight="bold",
    )
    return figure


def _latency_lines(comparison: Mapping[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Return percentiles of every target that has them."""
    lines = {name: _percentiles(one["rounds"]) for name, one in comparison["targets"].items()}
    return {name: points for name, points in lines.items() if points}


def _nines(percent: float) -> float:
    """Return the place on an axis where each nine of a percentile is as wide."""
    return 100 / (100 - percent)


def _percentiles(rounds: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """Return the median of each percentile that all rounds have; in ms."""
    tables = [dict(map(tuple, one["percentiles"])) for one in rounds]
    shared = set(tables[0]).intersection(*tables[1:]) - {100}
    return [
        (_nines(percent), median(table[percent] for table in tables) / 1e3)
        for percent in sorted(shared)
    ]


# ------------------------------------------------------------------- memory


def _memory(figures: Figures) -> Figure | None:
    rows = figures.part("costs", "connections") or []
    if not rows or rows[0]["connections"] != 0:
        return None
    figure = new_figure(7.8, 4.4)
    axes = figure.subplots()
    title = "Memory that open connections take"
    prepare_axes(axes, title, "connections", "resident memory above that of none, MiB")
    counts = [row["connections"] for row in rows]
    goal = [(count, count * _GOAL_BYTES / _MIB) for count in (0, counts[-1])]
    axes.plot(*zip(*goal, strict=True), color=MUTED, linewidth=1.2, linestyle=(0, (1, 2)))
    ends = [(f"goal: {_GOAL_BYTES:,} B each", *goal[-1], MUTED)]
    for words, prefix, colour in (("idle", "", "count"), ("after a message", "used_", "language")):
        sizes = [row[f"{prefix}resident_bytes"] for row in rows]
        points = [
            (count, (size - sizes[0]) / _MIB) for count, size in zip(counts, sizes, strict=True)
        ]
        _plain_line(axes, points, COLOURS[colour])
        each = rows[-1][f"{prefix}per_connection_bytes"]
        ends.append((f"{words}: {each:,.0f} B each", *points[-1], COLOURS[colour]))
    axes.set_xticks(*_thousands(counts))
    axes.set_ylim(bottom=0)
    figure.draw_without_rendering()
    label_ends(axes, ends)
    return figure


def _plain_line(axes: Axes, points: list[tuple[Any, float]], colour: str) -> None:
    axes.plot(
        *zip(*points, strict=True),
        marker="o",
        markersize=4.5,
        linewidth=1.8,
        color=colour,
        clip_on=False,
    )


def _thousands(numbers: list[int]) -> tuple[list[int], list[str]]:
    return numbers, [f"{number:,}" for number in numbers]


PLOTS: dict[str, Plot] = {
    "throughput": _throughput,
    "latency": _latency,
    "memory": _memory,
}
"""Name of each plot, and what draws it; ``None`` where there is no data."""
