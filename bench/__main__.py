"""``python -m bench``: measure, print tables, write ``build/bench/results.json``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import report
from bench.build import BUILD_DIR, build
from bench.costs import idle_memory, start_up
from bench.harness import Load, Target, compare, edgelake_target, floor_target
from bench.machine import describe_machine
from bench.micro import run_codec

CLIENTS = (1, 16, 64)
PARTS = ("codec", "costs", "server")


def main(arguments: Sequence[str]) -> int:
    """Run the parts asked for; return 1 if one of them failed, else 0."""
    options = _parser().parse_args(arguments)
    console = Console()
    console.print(f"compiled: {', '.join(str(path.name) for path in build().values())}")
    results: dict[str, Any] = {"machine": describe_machine()}
    failed = False
    for part in options.only or PARTS:
        try:
            results[part] = _RUNS[part](options, console)
        except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as exc:
            console.print(f"{part} failed: {exc}", style="red", markup=False)
            results[part] = {"failed": str(exc)}
            failed = True
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=2) + "\n")
    console.print(f"results: {options.json}", markup=False)
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter runs, coarser figures")
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="run this part; may be repeated"
    )
    parser.add_argument("--rounds", type=_positive(int), default=3, help="of the server part")
    parser.add_argument(
        "--seconds", type=_positive(float), help="of one load (default 1.5, quick 0.3)"
    )
    parser.add_argument("--threads", type=_positive(int), default=2, help="of each server")
    parser.add_argument(
        "--floor-only",
        action="store_true",
        help="compare the floor with itself: how far a ratio of 1 strays on this machine",
    )
    parser.add_argument("--json", type=Path, default=BUILD_DIR / "results.json")
    return parser


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not 0 < value <= 3600:
            raise argparse.ArgumentTypeError(f"{text} is not from 1 to 3600")
        return value

    return parse


def _run_codec(options: argparse.Namespace, console: Console) -> object:
    with console.status("codec"):
        found = run_codec(max_time_s=0.1 if options.quick else 0.5)
    report.show_codec(console, found)
    return [result.as_json() for result in found]


def _run_costs(options: argparse.Namespace, console: Console) -> object:
    with console.status("start-up") as status:
        times = start_up(runs=5 if options.quick else 10, progress=status.update)
        status.update("memory of an idle node")
        memory = idle_memory()
    report.show_start_up(console, times)
    report.show_memory(console, memory)
    return {"start_up": [one.as_json() for one in times], "idle_memory": memory.as_json()}


def _run_server(options: argparse.Namespace, console: Console) -> object:
    seconds = options.seconds or (0.3 if options.quick else 1.5)
    with console.status("server") as status:
        loads = [Load(clients, seconds) for clients in CLIENTS]
        found = compare(_targets(options), loads, options.rounds, status.update)
    report.show_comparisons(console, found)
    return [comparison.as_json() for comparison in found]


def _targets(options: argparse.Namespace) -> list[Target]:
    floor = floor_target(options.threads)
    if options.floor_only:
        return [floor, floor_target(options.threads, name="again")]
    return [floor, edgelake_target(options.threads)]


_RUNS: dict[str, Callable[[argparse.Namespace, Console], object]] = {
    "codec": _run_codec,
    "costs": _run_costs,
    "server": _run_server,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
