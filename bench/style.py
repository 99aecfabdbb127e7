"""How plots look: colours by name of the target, axes, labels at the end of lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "INK",
    "LABELS",
    "MUTED",
    "STYLES",
    "few_ticks",
    "label_ends",
    "new_figure",
    "prepare_axes",
]

INK = "#22262b"
MUTED = "#6b7280"
_GRID = "#e5e7eb"

COLOURS = {
    "floor": "#4b5563",
    "drop": "#0b5394",
    "native": "#0b5394",
    "count": "#2b8fd9",
    "python": "#2b8fd9",
    "batch": "#12a594",
    "language": "#8e44ad",
    "asyncio": "#e39b1b",
    "uvloop": "#d9661f",
    "thread pool model": "#a8763e",
    "reference node": "#c0283a",
}
"""edgelake is blue to violet, its peers are warm, the floor is grey: in every plot."""

LABELS = {
    "floor": "C floor",
    "floor again": "C floor, second copy",
    "drop": "edgelake, dropped natively",
    "native": "edgelake, native answer",
    "count": "edgelake, Python handler",
    "batch": "edgelake, Python batches",
    "python": "edgelake, Python answer",
    "language": "edgelake, language",
}
"""What the targets are called where a reader does not know the modes."""

STYLES = {"floor": (0, (5, 2)), "thread pool model": (0, (1, 1.2))}
"""Dashes of lines that are no server of ours; all others are solid."""


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure with a light background; sizes in inches."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams.update(
        {
            "font.family": "DejaVu Sans",
            "font.size": 10,
            "axes.titlesize": 11,
            "svg.hashsalt": "edgelake",  # the same picture is the same file
        }
    )
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.12, h_pad=0.12)
    return figure


def prepare_axes(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Leave of the frame and the grid what helps to read values."""
    axes.set_title(title, loc="left", color=INK, fontweight="bold", pad=10)
    axes.set_xlabel(x_label, color=MUTED)
    axes.set_ylabel(y_label, color=MUTED)
    axes.tick_params(colors=MUTED, length=0)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(_GRID)


def few_ticks(axes: Axes) -> None:
    """Mark 1, 2 and 5 of each power of ten on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda value, _place: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def label_ends(axes: Axes, ends: Iterable[tuple[str, float, float, str]]) -> None:
    """Write a name beside the last point of each line, moved apart where they would touch.

    Parameters
    ----------
    axes : Axes
        Its limits are final.
    ends : iterable of (text, x, y, colour)
        In data coordinates.
    """
    points = sorted(ends, key=lambda end: end[2])
    heights = [float(axes.transData.transform((x, y))[1]) for _, x, y, _ in points]
    for place, height in zip(points, _apart(heights), strict=True):
        text, x, y, colour = place
        shift = (height - float(axes.transData.transform((x, y))[1])) / _pixels_per_point(axes)
        axes.annotate(
            text,
            (x, y),
            xytext=(8, shift),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=9,
            annotation_clip=False,
        )


def _pixels_per_point(axes: Axes) -> float:
    figure: Any = axes.figure
    return float(figure.dpi) / 72.0


def _apart(heights: list[float], least: float = 17.0) -> list[float]:
    """Return rising heights, in pixels, moved as little as it takes to be ``least`` apart."""
    groups: list[list[float]] = []  # of each: its own heights
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _bottom(groups[-1], least) - _top(groups[-2], least) < least:
            groups[-2:] = [groups[-2] + groups[-1]]
    return [
        _bottom(group, least) + number * least for group in groups for number in range(len(group))
    ]


def _bottom(group: list[float], least: float) -> float:
    return sum(group) / len(group) - least * (len(group) - 1) / 2


def _top(group: list[float], least: float) -> float:
    return _bottom(group, least) + least * (len(group) - 1)
