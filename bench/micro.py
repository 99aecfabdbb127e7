"""Run the pytest-benchmark suite of the codec and divide by its floors."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.build import BUILD_DIR, ROOT

__all__ = ["Micro", "run_codec"]

_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Micro:
    """One function of a suite.

    Attributes
    ----------
    group : str
        What it is compared within.
    name : str
        Of the function, without ``bench_``.
    median_s : float
        Time of one call.
    size_bytes : int
        Bytes that one call handles.
    ratio : float
        Median over that of the group's floor, which copies the bytes.
    """

    group: str
    name: str
    median_s: float
    size_bytes: int
    ratio: float

    def as_json(self) -> dict[str, object]:
        """Return the fields as JSON data."""
        return asdict(self)


def run_codec(max_time_s: float) -> list[Micro]:
    """Return the medians of ``bench_codec.py``; ``max_time_s`` for each function.

    Raises
    ------
    RuntimeError
        The suite failed; with its last words.
    """
    BUILD_DIR.mkdir(parents=True, exist_ok=True)
    path = BUILD_DIR / "codec.json"
    command = [sys.executable, "-m", "pytest", "-q", "-c", "bench/pytest.ini"]
    command += ["bench/bench_codec.py", f"--benchmark-json={path}"]
    command += [f"--benchmark-max-time={max_time_s:g}", "--benchmark-min-rounds=5"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise RuntimeError(f"bench_codec.py failed: {lines[-1] if lines else 'no message'}")
    return _read(path)


def _read(path: Path) -> list[Micro]:
    found = json.loads(path.read_text())["benchmarks"]
    floors = {
        entry["group"]: entry["stats"]["median"]
        for entry in found
        if entry["name"].startswith("bench_floor")
    }
    return [
        Micro(
            group=entry["group"],
            name=entry["name"].partition("[")[0].removeprefix("bench_"),
            median_s=entry["stats"]["median"],
            size_bytes=entry["extra_info"]["bytes"],
            ratio=entry["stats"]["median"] / floors[entry["group"]],
        )
        for entry in sorted(found, key=lambda entry: entry["group"])
    ]
