"""The part ``micro``: every pytest-benchmark suite, each group divided by its floor."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from bench.build import ROOT
from bench.part import Settings
from bench.tables import new_table, si_time

__all__ = ["MicroPart", "suites"]

_TIMEOUT_S = 900.0
_MAX_TIME_S, _QUICK_MAX_TIME_S = 0.5, 0.1
_MIN_ROUNDS = 5
_PREFIX, _FLOOR = "bench_", "bench_floor"
_LEFT_OUT = {"bench_server.py"}


def suites() -> list[Path]:
    """Return the suites to run: all but that of the server, which a part of its own measures."""
    found = sorted((ROOT / "bench").glob("bench_*.py"))
    return [path for path in found if path.name not in _LEFT_OUT]


class MicroPart:
    """Suites of small things, run in one process.

    Parameters
    ----------
    paths : sequence of Path or None
        Files, or files and names as pytest takes them; by default all of `suites`.

    Notes
    -----
    A function ``bench_floor…`` is the floor of its group. What the others do
    in one call may be many things of a kind: ``extra_info`` then has their
    number as ``messages`` or ``commands``, and ``bytes`` of them all.
    """

    name = "micro"

    def __init__(self, paths: Sequence[Path | str] | None = None) -> None:
        self._paths = paths

    def run(self, settings: Settings, progress: Callable[[str], None]) -> dict[str, Any]:
        """Return median and ratio of each function, in the order they ran.

        Raises
        ------
        RuntimeError
            A suite failed; with its last words.
        """
        paths = [str(path) for path in (suites() if self._paths is None else self._paths)]
        progress(", ".join(Path(path).stem.removeprefix(_PREFIX) for path in paths))
        max_time_s = _QUICK_MAX_TIME_S if settings.quick else _MAX_TIME_S
        with tempfile.TemporaryDirectory(prefix="edgelake-bench-") as folder:
            report = Path(folder, "micro.json")
            command = [sys.executable, "-m", "pytest", "-q", "-c", "bench/pytest.ini", *paths]
            command += [f"--benchmark-json={report}", f"--benchmark-max-time={max_time_s:g}"]
            command += [f"--benchmark-min-rounds={_MIN_ROUNDS}"]
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
            if done.returncode != 0:
                lines = (done.stdout + done.stderr).strip().splitlines() or ["no message"]
                failed = next((line for line in lines if line.startswith("FAILED")), lines[-1])
                raise RuntimeError(f"the suites failed: {failed}")
            measured = json.loads(report.read_text())["benchmarks"]
        return {"groups": _divided(measured)}

    def show(self, console: Console, found: dict[str, Any]) -> None:
        """Print a table of each subject: the first word of its groups' names."""
        subjects: dict[str, list[dict[str, Any]]] = {}
        for one in found["groups"]:
            subjects.setdefault(one["group"].partition(".")[0], []).append(one)
        for subject, functions in subjects.items():
            numbers = ["a call", "each", "MB/s", "x the floor"]
            table = new_table(subject, ["group", "function"], numbers)
            last = None
            for one in functions:
                group = one["group"].partition(".")[2] or one["group"]
                words = ["" if group == last else group, one["name"]]
                table.add_row(*map(escape, words), *_cells(one))  # "[two]" is no markup
                last = group
            console.print(table)


def _cells(one: dict[str, Any]) -> list[str]:
    seconds, extra, ratio = one["median_s"], one["extra"], one["ratio"]
    count = extra.get("messages") or extra.get("commands") or 1
    return [
        si_time(seconds),
        si_time(seconds / count) if count > 1 else "",
        f"{extra['bytes'] / seconds / 1e6:,.0f}" if "bytes" in extra else "",
        f"{ratio:,.2f}" if ratio is not None else "",
    ]


def _divided(measured: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    floors: dict[str, float] = {}
    for entry in measured:
        if entry["name"].startswith(_FLOOR):
            # Of several floors the lowest: less than any of them is not to be had.
            median_s = entry["stats"]["median"]
            floors[entry["group"]] = min(median_s, floors.get(entry["group"], median_s))
    found = [
        {
            "group": entry["group"],
            "name": _function(entry),
            "median_s": entry["stats"]["median"],
            "ratio": _ratio(entry, floors),
            "extra": dict(entry["extra_info"]),
        }
        for entry in measured
    ]
    first = {one["group"]: n for n, one in reversed(list(enumerate(found)))}
    return sorted(found, key=lambda one: first[one["group"]])


def _ratio(entry: dict[str, Any], floors: dict[str, float]) -> float | None:
    floor_s = floors.get(entry["group"])
    return entry["stats"]["median"] / floor_s if floor_s else None


def _function(entry: dict[str, Any]) -> str:
    """Return the name without prefix, and without a parameter that is said by the group."""
    full: str = entry["name"].removeprefix(_PREFIX)
    name, _, parameter = full.partition("[")
    parameter = parameter.removesuffix("]")
    if not parameter:
        return name
    # As whole words: "100" is not said by "1,000 policies".
    said = re.search(rf"(?<![\w,]){re.escape(parameter)}(?![\w,])", entry["group"])
    return name if said else f"{name}[{parameter}]"
