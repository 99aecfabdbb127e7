"""How long the command line takes: to its exit, and to the prompt of the console."""

from __future__ import annotations

import fcntl
import os
import pty
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench.build import ROOT

__all__ = ["TO_PROMPT", "StartUp", "node_command", "start_up"]

TO_PROMPT = "edgelake to the prompt"
"""Name of the run that ends when the prompt is on the screen."""

_RUN_TIMEOUT_S = 30.0
_PROMPT = b"EL >"
# The console asks the terminal where its cursor is; one that never answers is treated otherwise.
_WHERE, _HERE = b"\x1b[6n", b"\x1b[1;1R"
_END_OF_INPUT = b"\x04"
_ROWS, _COLUMNS = 24, 80


def node_command() -> list[str]:
    """Return how the node is started: the ``edgelake`` of this environment, if it is there."""
    binary = Path(sys.executable).with_name("edgelake")
    return [str(binary)] if binary.exists() else [sys.executable, "-m", "edgelake"]


@dataclass(frozen=True, slots=True)
class StartUp:
    """Wall times of a command from its start to its exit, or to the prompt.

    Attributes
    ----------
    name : str
        What was run.
    median_s, least_s : float
        Over all runs.
    ratio : float
        Median over that of a Python that does nothing.
    """

    name: str
    median_s: float
    least_s: float
    ratio: float

    def as_json(self) -> dict[str, object]:
        """Return the fields as JSON data."""
        return asdict(self)


def start_up(runs: int, progress: Callable[[str], None] = lambda _step: None) -> list[StartUp]:
    """Return the start-up times of the command line, in turns with the floor.

    Parameters
    ----------
    runs : int
        Measured runs of each command, after one that is not counted.
    progress : callable
        Gets a line before each run.

    Raises
    ------
    RuntimeError
        A command failed; with its last words.
    """
    with tempfile.TemporaryDirectory(prefix="edgelake-bench-") as home:
        node = [*node_command(), "--home", home]
        commands: dict[str, Callable[[], float]] = {
            "python -c pass": lambda: _time_run([sys.executable, "-c", "pass"]),
            "edgelake --version": lambda: _time_run([*node, "--version"]),
            'edgelake -c "get status"': lambda: _time_run([*node, "-c", "get status"]),
            TO_PROMPT: _time_to_prompt,
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for run in range(runs + 1):
            progress(f"start-up {run}/{runs}")
            for name, measure in commands.items():
                elapsed_s = measure()
                if run > 0:  # the first one fills the caches of files
                    times[name].append(elapsed_s)
    floor_s = median(times["python -c pass"])
    return [
        StartUp(name, median(found), min(found), median(found) / floor_s)
        for name, found in times.items()
    ]


def _time_run(command: Sequence[str]) -> float:
    begin = time.perf_counter()
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=ROOT,
        timeout=_RUN_TIMEOUT_S,
        check=False,
    )
    elapsed_s = time.perf_counter() - begin
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise RuntimeError(f"{command[-1]}: ended with status {done.returncode}: {lines[-1]}")
    return elapsed_s


# ------------------------------------------------------------ to the prompt


def _time_to_prompt() -> float:
    """Return the time of a first start, in a home that is not there yet."""
    with tempfile.TemporaryDirectory(prefix="edgelake-bench-") as parent:
        command = [*node_command(), "--home", str(Path(parent, "home"))]
        begin = time.perf_counter()
        # Its terminal hangs up when this process ends, in whatever way, and that ends it.
        pid, terminal = pty.fork()
        if pid == 0:
            _become(command)
        try:
            _set_size(terminal)
            seen = _read_until(terminal, _PROMPT)
            elapsed_s = time.perf_counter() - begin
            os.write(terminal, _END_OF_INPUT)
            seen += _read_until(terminal, None)
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            os.close(terminal)
            _, status = os.waitpid(pid, 0)
    if status != 0:
        words = seen.decode(errors="replace").strip().splitlines() or ["no message"]
        raise RuntimeError(f"edgelake: ended with status {status}: {words[-1]}")
    return elapsed_s


def _become(command: list[str]) -> None:
    """Replace this process, which is a copy and must never return."""
    try:
        os.environ["TERM"] = "xterm"
        os.execv(command[0], command)
    finally:
        os._exit(127)


def _set_size(terminal: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))


def _read_until(terminal: int, text: bytes | None) -> bytes:
    """Return what the terminal shows until a text is in it; ``None`` reads to the end."""
    seen = b""
    deadline = time.monotonic() + _RUN_TIMEOUT_S
    with selectors.DefaultSelector() as selector:
        selector.register(terminal, selectors.EVENT_READ)
        while text is None or text not in seen:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                missing = "end" if text is None else text.decode()
                raise RuntimeError(f"edgelake: no {missing} in {_RUN_TIMEOUT_S:g} s")
            more = b""
            with suppress(OSError):  # how a terminal says that nobody writes to it any more
                more = os.read(terminal, 65_536)
            if not more:
                if text is not None:
                    raise RuntimeError(f"edgelake: ended before the prompt: {seen!r}")
                break
            seen += more
            if _WHERE in more:
                os.write(terminal, _HERE)
    return seen
