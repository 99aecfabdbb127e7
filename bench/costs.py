"""What a node costs before it has work: start-up time and resident memory."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import IO

from bench.build import ROOT

__all__ = ["IdleMemory", "StartUp", "idle_memory", "node_command", "start_up"]

_RUN_TIMEOUT_S = 30.0
_LISTEN_TIMEOUT_S = 30.0
_STABLE_S = 0.5
_STABLE_TIMEOUT_S = 10.0
_POLL_S = 0.05
_LISTEN_STATE = "0A"


def node_command() -> list[str]:
    """Return how the node is started: the ``edgelake`` of this environment, if it is there."""
    binary = Path(sys.executable).with_name("edgelake")
    return [str(binary)] if binary.exists() else [sys.executable, "-m", "edgelake"]


# ------------------------------------------------------------------ start-up


@dataclass(frozen=True, slots=True)
class StartUp:
    """Wall times of a command from start to exit.

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
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "edgelake --version": [*node, "--version"],
            'edgelake -c "get status"': [*node, "-c", "get status"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for run in range(runs + 1):
            progress(f"start-up {run}/{runs}")
            for name, command in commands.items():
                elapsed_s = _time_run(command)
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
        raise RuntimeError(_failure(command, done.returncode, done.stderr))
    return elapsed_s


# -------------------------------------------------------------------- memory


@dataclass(frozen=True, slots=True)
class IdleMemory:
    """Resident memory of a node that listens and has no work.

    Attributes
    ----------
    resident_bytes : int
        Everything in memory, files of libraries that others share included.
    private_bytes : int
        The part that belongs to the process alone.
    """

    resident_bytes: int
    private_bytes: int

    def as_json(self) -> dict[str, object]:
        """Return the fields as JSON data."""
        return asdict(self)


def idle_memory() -> IdleMemory:
    """Return the memory of a node with a TCP server, once it no longer changes.

    Raises
    ------
    RuntimeError
        The node ended, or does not listen; with its last words.
    """
    port = _free_port()
    listen = f"run tcp server where external_ip = 127.0.0.1 and external_port = {port}"
    with (
        tempfile.TemporaryDirectory(prefix="edgelake-bench-") as home,
        tempfile.TemporaryFile() as words,
    ):
        command = [*node_command(), "--home", home, "--serve", "-c", listen]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, cwd=ROOT
        ) as process:
            try:
                _wait_until_listening(process, port, words)
                memory = _stable_memory(process, words)
                process.send_signal(signal.SIGTERM)
                if process.wait(_RUN_TIMEOUT_S) != 0:
                    raise RuntimeError(_node_failure(process, words))
            except BaseException:
                process.kill()
                raise
    return memory


def _free_port() -> int:
    """Return a port below the ephemeral ones, so that no connection takes it meanwhile."""
    for port in random.sample(range(20_000, 32_768), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise RuntimeError("no free port from 20000 to 32767")


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, words: IO[bytes]) -> None:
    # From the table of sockets: a connection to try it would be work for the node.
    deadline = time.monotonic() + _LISTEN_TIMEOUT_S
    while time.monotonic() < deadline:
        if port in _listening_ports():
            return
        _pause(process, words)
    raise RuntimeError(f"the node does not listen on {port} after {_LISTEN_TIMEOUT_S:g} s")


def _listening_ports() -> set[int]:
    ports = set()
    with open("/proc/net/tcp", encoding="ascii") as table:
        next(table)
        for line in table:
            _, local, _, state = line.split(maxsplit=4)[:4]
            # They come first; behind them may be 100,000 in TIME_WAIT.
            if state != _LISTEN_STATE:
                break
            ports.add(int(local.rpartition(":")[2], 16))
    return ports


def _stable_memory(process: subprocess.Popen[bytes], words: IO[bytes]) -> IdleMemory:
    memory = _read_memory(process.pid)
    changed = begin = time.monotonic()
    while time.monotonic() - changed < _STABLE_S:
        if time.monotonic() - begin > _STABLE_TIMEOUT_S:
            raise RuntimeError(f"memory still changes after {_STABLE_TIMEOUT_S:g} s")
        _pause(process, words)
        latest = _read_memory(process.pid)
        if latest != memory:
            memory, changed = latest, time.monotonic()
    return memory


def _read_memory(pid: int) -> IdleMemory:
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split()[:2]
        found[name] = int(value) * 1024
    return IdleMemory(found["Rss:"], found["Private_Clean:"] + found["Private_Dirty:"])


def _pause(process: subprocess.Popen[bytes], words: IO[bytes]) -> None:
    """Wait a moment, or raise when the process ends in it."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_POLL_S)
        raise RuntimeError(_node_failure(process, words))


def _node_failure(process: subprocess.Popen[bytes], words: IO[bytes]) -> str:
    words.seek(0)
    return _failure(["edgelake", "--serve"], process.returncode, words.read())


def _failure(command: Sequence[str], status: int, words: bytes) -> str:
    lines = words.decode(errors="replace").strip().splitlines()
    name = " ".join([Path(command[0]).name, *command[1:]])
    return f"{name}: ended with status {status}: {lines[-1] if lines else 'no message'}"
