"""What edgelake wants to reach, and whether a run reached it.

Each goal is a row of `GOALS`: the load, how the figure is found, and the limit.
A goal that is not met, or was not measured, never makes a run fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.figures import Figures
from bench.targets import REFERENCE

__all__ = ["GOALS", "Goal", "check_goals"]

_MB = 1_000_000
_SOAK_MESSAGES = 10_000_000


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing to reach.

    Attributes
    ----------
    load : str
        What is done.
    figure : str
        What is measured, and what it is compared with.
    least, most : float or None
        The limit; one of them is given.
    find : callable
        Looks the figure up; ``None`` where it was not measured.
    unit : str
        Behind the figure; empty for a ratio.
    """

    load: str
    figure: str
    find: Callable[[Figures], float | None]
    least: float | None = None
    most: float | None = None
    unit: str = ""

    @property
    def limit(self) -> str:
        """The limit in words."""
        sign, value = ("≥", self.least) if self.least is not None else ("≤", self.most)
        return f"{sign} {number(value, self.unit)}"

    def met(self, value: float | None) -> bool | None:
        """Return whether a value is within the limit; ``None`` without a value."""
        if value is None:
            return None
        return value >= self.least if self.least is not None else value <= (self.most or 0.0)


def number(value: float | None, unit: str) -> str:
    """Return a figure with its unit."""
    if value is None:
        return "–"
    if unit == "x":
        return f"{value:.1f} x"
    if not unit:
        return f"{value:.2f}"
    text = f"{value:.3g}" if abs(value) < 1_000 else f"{value:,.0f}"
    return f"{text} {unit}"


def check_goals(
    results: dict[str, Any], goals: Sequence[Goal] | None = None
) -> list[dict[str, Any]]:
    """Return goals, by default `GOALS`, with what was measured and whether it is enough."""
    figures = Figures(results)
    rows = []
    for goal in GOALS if goals is None else goals:
        value = goal.find(figures)
        row = {key: found for key, found in asdict(goal).items() if key != "find"}
        rows.append({**row, "limit": goal.limit, "value": value, "met": goal.met(value)})
    return rows


def _ratio(
    scenario: str, label: str, target: str, field: str = "rate", to: str = "floor"
) -> Callable[[Figures], float | None]:
    return lambda figures: figures.ratio(scenario, label, target, field, to)


def _kept_up(label: str, mode: str) -> Callable[[Figures], float | None]:
    """Return how much of a mode's undisturbed rate is left."""
    return lambda figures: figures.between("held", label, "16 clients", mode, "rate")


def _command_rate(kind: str) -> Callable[[Figures], float | None]:
    """Return commands a second in the suite of the language: the median of its short texts."""

    def find(figures: Figures) -> float | None:
        rates = [
            entry["extra"].get("commands", 1) / entry["median_s"]
            for entry in figures.part("micro", "groups") or []
            if entry["group"].startswith(f"language.{kind} ")
            and entry["name"].startswith(kind)
            and "100 KB" not in entry["group"]
        ]
        return median(rates) if rates else None

    return find


def _per_connection(figures: Figures) -> float | None:
    """Return the memory of one connection, where most of them were open."""
    rows = figures.part("costs", "connections") or []
    most = max(rows, key=lambda row: row["connections"], default=None)
    if most is None:
        return None
    return float(max(most["per_connection_bytes"], most["used_per_connection_bytes"]))


def _idle_memory(figures: Figures) -> float | None:
    resident = figures.part("costs", "idle_memory", "resident_bytes")
    return None if resident is None else resident / _MB


def _prompt_time(figures: Figures) -> float | None:
    for entry in figures.part("costs", "start_up") or []:
        if "prompt" in entry["name"]:
            return float(entry["median_s"])
    return None


def _soaked(field: str, unit: float) -> Callable[[Figures], float | None]:
    """Return what grew over the soak; a short one proves nothing."""

    def find(figures: Figures) -> float | None:
        soak = figures.part("costs", "soak")
        if soak is None or soak["messages"] < _SOAK_MESSAGES:
            return None
        return float(abs(soak[f"{field}_after"] - soak[f"{field}_before"]) / unit)

    return find


_ONE = "one connection per message"
_STREAMS = "kept streams"
_EXCHANGE = "request–reply on one kept connection"

GOALS = (
    Goal(
        f"{_ONE}, 16 clients, dropped natively after validation",
        "rate, of the C floor",
        _ratio("connection", "16 clients", "drop"),
        least=0.90,
    ),
    Goal(
        f"{_ONE}, 16 clients, run by the language and a Python handler",
        "rate, of the C floor",
        _ratio("connection", "16 clients", "language"),
        least=0.75,
    ),
    Goal(
        f"{_ONE}, 16 clients, run by the language and a Python handler",
        "rate, of the reference node",
        _ratio("connection", "16 clients", "language", to=REFERENCE),
        least=9.0,
        unit="x",
    ),
    *(
        Goal(
            f"{_ONE}, {clients} clients, run by the language and a Python handler",
            "p99.9 latency, of the C floor's",
            _ratio("connection", f"{clients} clients", "language", "p999_us"),
            most=2.0,
        )
        for clients in (64, 256)
    ),
    Goal(
        f"{_STREAMS}, validated natively",
        "rate, of the C floor",
        _ratio("streams", "2 clients", "drop"),
        least=0.80,
    ),
    Goal(
        f"{_STREAMS} into a Python handler, in batches",
        "rate, of the C floor (400,000 of 2.5 million a second)",
        _ratio("streams", "2 clients", "batch"),
        least=0.16,
    ),
    Goal(
        f"{_EXCHANGE}, native handler",
        "rate, of the C ping-pong",
        _ratio("exchange", "1 client", "native"),
        least=0.80,
    ),
    Goal(
        f"{_EXCHANGE}, Python handler",
        "rate, of the C ping-pong",
        _ratio("exchange", "1 client", "python"),
        least=0.35,
    ),
    *(
        Goal(
            f"{held} connections beside 16 active clients, {what}",
            "rate, of the undisturbed one",
            _kept_up(f"16 clients, {held}", mode),
            least=0.95,
        )
        for held in ("500 stalled", "9,000 idle")
        for mode, what in (
            ("drop", "dropped natively"),
            ("count", "a Python handler"),
            ("language", "run by the language"),
        )
    ),
    Goal("idle connections", "memory for each", _per_connection, most=1024, unit="bytes"),
    Goal("idle node", "resident memory", _idle_memory, most=45, unit="MB"),
    Goal("start of the command line", "time to the prompt", _prompt_time, most=0.20, unit="s"),
    Goal(
        "10 million messages",
        "change of resident memory",
        _soaked("resident", _MB),
        most=2,
        unit="MB",
    ),
    Goal(
        "10 million messages",
        "descriptors left open",
        _soaked("descriptors", 1),
        most=0,
        unit="descriptors",
    ),
    Goal(
        "warm command parse (same shape, other values)",
        "commands a second (median of the texts)",
        _command_rate("warm"),
        least=150_000,
        unit="/s",
    ),
    Goal(
        "cold command parse",
        "commands a second (median of the texts)",
        _command_rate("cold"),
        least=15_000,
        unit="/s",
    ),
)
