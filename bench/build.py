"""Compile the C programs of ``bench/native`` into ``build/bench``."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["BUILD_DIR", "FLAGS", "NATIVE_DIR", "PROGRAMS", "ROOT", "build", "compiler"]

ROOT = Path(__file__).resolve().parent.parent
BUILD_DIR = ROOT / "build" / "bench"
NATIVE_DIR = Path(__file__).resolve().parent / "native"
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread")
PROGRAMS = {
    "floor": ("floor",),
    "hold": ("hold",),
    "load": ("load", "options", "client", "connection", "stream", "exchange", "result"),
}
"""Name of each program, and the C files it is made of."""

_COMPILE_TIMEOUT_S = 120.0


def compiler() -> list[str]:
    """Return the command of the C compiler: ``$CC``, else ``cc``."""
    return shlex.split(os.environ.get("CC", "cc"))


def build(out_dir: Path = BUILD_DIR) -> dict[str, Path]:
    """Return the path of each program, compiled when a source is newer.

    Parameters
    ----------
    out_dir : Path
        Where the programs go; made when it is not there.

    Raises
    ------
    FileNotFoundError
        There is no C compiler.
    RuntimeError
        A program does not compile; the message is the compiler's.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    headers = list(NATIVE_DIR.glob("*.h"))
    programs = {}
    for name, stems in PROGRAMS.items():
        program = out_dir / name
        sources = [NATIVE_DIR / f"{stem}.c" for stem in stems]
        changed = max(path.stat().st_mtime_ns for path in [*headers, *sources])
        if not program.exists() or program.stat().st_mtime_ns <= changed:
            _compile(sources, program)
        programs[name] = program
    return programs


def _compile(sources: Sequence[Path], program: Path) -> None:
    # Renamed into place: another run may be executing, or making, the same program.
    fresh = program.with_name(f"{program.name}.{os.getpid()}")
    command = [*compiler(), *FLAGS, "-o", str(fresh), *map(str, sources)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_COMPILE_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{program.name} does not compile:\n{done.stderr}")
    fresh.replace(program)


if __name__ == "__main__":
    for path in build().values():
        print(path)
