"""Build the fuzz targets, make their first inputs, and run them.

``make fuzz RUNS=200000`` or ``make fuzz SECONDS=60``; see docs/testing.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from sysconfig import get_config_var, get_path

from tests.fuzz.seeds import write_seeds

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "fuzz"
# The longest input of each target: two blocks and a bit, and some hundred orders.
TARGETS = {"assembly": 4200, "worker": 768}


def build() -> None:
    """Compile the native modules with Clang's fuzzer and sanitizers, and a program per target."""
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "-b", BUILD, "--build-lib", BUILD / "lib"],
        cwd=ROOT,
        env={**os.environ, "EDGELAKE_SANITIZE": "fuzz", "CC": "clang"},
        check=True,
    )
    shared = bool(get_config_var("Py_ENABLE_SHARED"))
    folder = get_config_var("LIBDIR" if shared else "LIBPL")
    needed = " ".join(get_config_var(name) or "" for name in ("LIBS", "SYSLIBS")).split()
    for target in TARGETS:
        # Only what is tested is measured: main.c and kernel.c are compiled without "fuzzer".
        objects = [BUILD / f"{target}-{source}.o" for source in ("main", "kernel")]
        for source, made in zip(("main", "kernel"), objects, strict=True):
            _clang(
                *("-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=address,undefined"),
                f'-DTARGET="tests.fuzz.fuzz_{target}"',
                f'-DEDGELAKE_PYTHON="{sys.executable}"',
                f"-I{get_path('include')}",
                "-c",
                ROOT / "tests" / "fuzz" / f"{source}.c",
                "-o",
                made,
            )
        _clang(
            # The modules find the fuzzer, the sanitizers and the system in the program.
            *("-rdynamic", "-fsanitize=fuzzer,address,undefined"),
            *objects,
            "-o",
            BUILD / target,
            *(f"-L{folder}", f"-Wl,-rpath,{folder}", f"-lpython{get_config_var('LDVERSION')}"),
            *needed,
        )


def _clang(*options: str | Path) -> None:
    subprocess.run(["clang", "-g", "-fno-sanitize-recover=undefined", *options], check=True)


def run(target: str, corpus: Path, *options: str) -> str:
    """Run one target and return what it says; what it finds goes to ``build/fuzz``.

    Raises
    ------
    subprocess.CalledProcessError
        It found something.
    """
    corpus.mkdir(parents=True, exist_ok=True)
    write_seeds(target, corpus)
    said = []
    command = [
        str(BUILD / target),
        f"-max_len={TARGETS[target]}",
        f"-artifact_prefix={BUILD}/{target}-",
        "-print_final_stats=1",
        *options,
        str(corpus),
    ]
    with subprocess.Popen(
        command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            print(line, end="", flush=True)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return "".join(said)


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(BUILD / "lib"),
        "PYTHONMALLOC": "malloc",
        # Memory is counted by the targets themselves; the interpreter leaves some at its end.
        "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=16:malloc_context_size=6",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--runs", type=int, default=-1, help="executions of each target")
    parser.add_argument("--seconds", type=int, default=0, help="time for each target")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    chosen = parser.parse_args()
    build()
    for target in () if chosen.build_only else chosen.targets:
        run(
            target,
            BUILD / "corpus" / target,
            f"-runs={chosen.runs}",
            f"-max_total_time={chosen.seconds}",
        )


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        sys.exit(f"{failed}")
