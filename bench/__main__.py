"""``python -m bench``: measure, print tables, write ``build/bench/results.json``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import report
from bench.build import BUILD_DIR, build
from bench.goals import GOALS, check_goals
from bench.ledger.goals import LEDGER_GOALS
from bench.machine import describe_machine
from bench.part import Part, Settings
from bench.progress import show_progress
from bench.rest.goals import REST_GOALS

PARTS = {
    "server": "bench.server_part:ServerPart",
    "micro": "bench.micro:MicroPart",
    "costs": "bench.costs:CostsPart",
    "ledger": "bench.ledger.part:LedgerPart",
    "rest": "bench.rest.part:RestPart",
}
"""Name of each part, and where it is; a part is imported when it runs."""

_QUICK = {"rounds": 3, "seconds": 0.2}
_FULL = {"rounds": 5, "seconds": 1.0}
_PAGE_WIDTH = 150


def main(arguments: Sequence[str]) -> int:
    """Run the parts asked for; return 1 if something of them failed, else 0."""
    options = _parser().parse_args(arguments)
    usual = _QUICK if options.quick else _FULL
    settings = Settings(
        quick=options.quick,
        rounds=options.rounds or int(usual["rounds"]),
        seconds=options.seconds or usual["seconds"],
        threads=options.threads,
    )
    console = make_console()
    console.print(f"compiled: {', '.join(str(path.name) for path in build().values())}")
    results: dict[str, Any] = {
        "machine": describe_machine(),
        "command": _command(options, settings),
    }
    failures: list[str] = []
    for name in ["server"] if options.scenario else options.only or PARTS:
        part = _load_part(name, *[options.scenario] * bool(options.scenario))
        results[name] = _run_part(name, part, settings, console, failures)
    results["goals"] = check_goals(results, (*GOALS, *LEDGER_GOALS, *REST_GOALS))
    chosen = bool(options.only or options.scenario)
    report.show_goals(
        console, [goal for goal in results["goals"] if not chosen or goal["value"] is not None]
    )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1) + "\n")
    console.print(f"results: {options.json}", markup=False)
    for failure in failures:
        console.print(f"failed: {failure}", style="red", markup=False)
    return int(bool(failures))


def _command(options: argparse.Namespace, settings: Settings) -> str:
    """Return the command that measures the same; where the result goes does not matter."""
    words = ["python -m bench", *["--quick"] * settings.quick]
    words += [f"--only {name}" for name in options.only or ()]
    words += [f"--scenario '{name}'" for name in options.scenario or ()]
    words += [f"--rounds {settings.rounds}", f"--seconds {settings.seconds:g}"]
    return " ".join([*words, f"--threads {settings.threads}"])


def make_console() -> Console:
    """Return the terminal, or a page wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=_PAGE_WIDTH)


def _run_part(
    name: str, part: Part | None, settings: Settings, console: Console, failures: list[str]
) -> dict[str, Any] | None:
    if part is None:
        console.print(f"part {name} is not in this build", style="yellow")
        return None
    count: Callable[[Settings], int] | None = getattr(part, "steps", None)
    try:
        steps = count(settings) if count else None
        with show_progress(console, name, steps) as progress:
            found = part.run(settings, progress)
        part.show(console, found)
    except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as exc:
        failures.append(f"{name}: {exc}")
        return {"failed": [str(exc)]}
    failures += [f"{name}: {line}" for line in found.get("failed", ())]
    return found


def _load_part(name: str, *arguments: object) -> Part | None:
    module_name, class_name = PARTS[name].split(":")
    try:
        kind = getattr(import_module(module_name), class_name, None)
    except ModuleNotFoundError as exc:
        if exc.name != module_name:
            raise
        return None
    part: Part | None = kind(*arguments) if kind is not None else None
    return part


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="coarser figures in a part of the time"
    )
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="run this part; may be repeated"
    )
    parser.add_argument(
        "--scenario", action="append", metavar="NAME", help="run this one of the server part alone"
    )
    parser.add_argument("--rounds", type=_positive(int), help="default 5, quick 3")
    parser.add_argument(
        "--seconds", type=_positive(float), help="of one load (default 1, quick 0.2)"
    )
    parser.add_argument("--threads", type=_positive(int), default=2, help="of each server")
    parser.add_argument("--json", type=Path, default=BUILD_DIR / "results.json")
    return parser


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not 0 < value <= 3600:
            raise argparse.ArgumentTypeError(f"{text} is not above 0 and up to 3600")
        return value

    return parse


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
