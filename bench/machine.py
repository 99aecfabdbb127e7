"""Where figures come from: processor, kernel, interpreter, compiler, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bench.build import FLAGS, ROOT, compiler

__all__ = ["describe_machine"]


def describe_machine() -> dict[str, object]:
    """Return the facts that a figure means nothing without, as JSON data."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": _first_line([*compiler(), "--version"]),
        "flags": " ".join(FLAGS),
        "commit": _first_line(["git", "describe", "--always", "--dirty", "--tags"]),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(command: list[str]) -> str:
    """Return the first line of a program's output, ``unknown`` where there is none."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=10.0, check=False
        )
    except FileNotFoundError:  # an unpacked source archive, a machine without git
        return "unknown"
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else "unknown"
