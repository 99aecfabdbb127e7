"""Start servers, load them in turns, and compare each with its floor.

The machine is never quiet, so a figure alone says little. Every comparison
runs its targets in the same minute, round after round, each round in another
order; a result is the median over the rounds, and a ratio is the median of the
ratios within each round.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import median
from typing import IO

from bench.build import ROOT, build

__all__ = [
    "FLOOR",
    "Comparison",
    "Load",
    "LoadResult",
    "RunningTarget",
    "Target",
    "compare",
    "edgelake_target",
    "floor_target",
    "run_load",
    "running",
]

FLOOR = "floor"
"""Name of the target that the others are divided by."""

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 15.0
_SETTLE_TIMEOUT_S = 10.0
_IDLE_S = 0.05
_WARM_UP_MESSAGES = 500


@dataclass(frozen=True, slots=True)
class Target:
    """A server to measure: its name and the command that starts it.

    The process prints its port as the first line on standard output and ends
    when its standard input closes.
    """

    name: str
    command: tuple[str, ...]


def floor_target(threads: int, message_bytes: int = 2048, name: str = FLOOR) -> Target:
    """Return the bare epoll loop; ``message_bytes`` 0 reads kept streams."""
    program = build()["floor"]
    return Target(name, (str(program), str(threads), str(message_bytes)))


def edgelake_target(threads: int) -> Target:
    """Return ``edgelake.MessageServer`` with a handler in Python that only counts."""
    command = (sys.executable, "-m", "bench.target", "--threads", str(threads))
    return Target("edgelake", command)


@dataclass(slots=True)
class RunningTarget:
    """A target while it runs, and what it reported when it ended.

    Attributes
    ----------
    port : int
        Where it listens on 127.0.0.1.
    messages : int
        Messages it handled by its own count; 0 until it has ended.
    """

    port: int
    process: subprocess.Popen[bytes]
    messages: int = 0

    def settle(self) -> float:
        """Return the seconds until the process was idle: queues are then empty.

        Without it the work that one target still has would slow the next one.

        Raises
        ------
        RuntimeError
            The process ended, or was still busy after 10 s.
        """
        begin = time.monotonic()
        used = _cpu_ticks(self.process.pid)
        while time.monotonic() - begin < _SETTLE_TIMEOUT_S:
            with suppress(subprocess.TimeoutExpired):
                status = self.process.wait(_IDLE_S)
                raise RuntimeError(f"the server ended with status {status}")
            before, used = used, _cpu_ticks(self.process.pid)
            if used == before:
                return max(0.0, time.monotonic() - begin - _IDLE_S)
        raise RuntimeError(f"the server was busy for {_SETTLE_TIMEOUT_S:g} s without a message")


@contextmanager
def running(target: Target) -> Iterator[RunningTarget]:
    """Run a target and end it by closing its standard input.

    Raises
    ------
    RuntimeError
        The target did not say its port, or failed; with its last words.
    """
    # Standard error goes to a file: a full pipe would stop a talkative server.
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(
            target.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, cwd=ROOT
        ) as process,
    ):
        try:
            run = RunningTarget(_read_port(target, process, words), process)
            yield run
            report, _ = process.communicate(timeout=_STOP_TIMEOUT_S)
            if process.returncode != 0:
                raise RuntimeError(_failure(target, process, words))
            run.messages = int(json.loads(report)["messages"])
        except BaseException:
            process.kill()
            raise


def _read_port(target: Target, process: subprocess.Popen[bytes], words: IO[bytes]) -> int:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(_START_TIMEOUT_S):
            raise RuntimeError(f"{target.name}: no port within {_START_TIMEOUT_S:g} s")
    line = process.stdout.readline()
    if not line:
        process.wait(_STOP_TIMEOUT_S)
        raise RuntimeError(_failure(target, process, words))
    return int(line)


def _failure(target: Target, process: subprocess.Popen[bytes], words: IO[bytes]) -> str:
    words.seek(0)
    lines = words.read().decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "no message"
    return f"{target.name}: ended with status {process.returncode}: {last}"


def _cpu_ticks(pid: int) -> int:
    # The name, in brackets, may hold blanks; user and system time are 12 fields after it.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@dataclass(frozen=True, slots=True)
class Load:
    """What the load generator does; see ``bench/native/load.c``.

    Attributes
    ----------
    clients : int
        Connections at a time.
    seconds : float
        Longest time in which messages are started.
    messages : int or None
        Most messages; without it time alone ends the run.
    threads : int or None
        Threads of the generator. By default one for each core, if there are
        as many clients: with one thread the generator is the bottleneck, and
        every server that is faster than it would look the same.
    blocks : int
        Blocks of a message.
    mode : str
        ``"connection"`` (a connection per message, wait for its close),
        ``"no-wait"`` or ``"kept"``.
    """

    clients: int
    seconds: float = 1.5
    messages: int | None = None
    threads: int | None = None
    blocks: int = 1
    mode: str = "connection"
    command: str = "set a = 5"

    def arguments(self, port: int) -> list[str]:
        """Return the arguments of the generator."""
        threads = self.threads or min(self.clients, os.cpu_count() or 1)
        values = {
            "port": port,
            "clients": self.clients,
            "threads": threads,
            "seconds": self.seconds,
            "blocks": self.blocks,
            "command": self.command,
        }
        if self.messages is not None:
            values["messages"] = self.messages
        arguments = [text for key, value in values.items() for text in (f"--{key}", str(value))]
        return arguments if self.mode == "connection" else [*arguments, f"--{self.mode}"]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One run of the load generator; latencies are ``None`` for kept streams.

    Attributes
    ----------
    seconds : float
        From the first start to the last message that was done.
    rate : float
        Messages done in a second.
    errors : int
        Messages that failed; ``first_error`` says how the first of them did.
    p50_us, p99_us, p999_us, max_us : float or None
        Latency that so many of the messages did not exceed, in microseconds.
    settle_s : float
        How long the server went on working after the last message was taken.
    cpu_us : float
        Processor time of the server for one message, in microseconds, to the
        clock tick of the kernel (usually 10 ms over the whole run).
    """

    messages: int
    seconds: float
    rate: float
    errors: int
    first_error: str | None
    p50_us: float | None
    p99_us: float | None
    p999_us: float | None
    max_us: float | None
    settle_s: float = 0.0
    cpu_us: float = 0.0


def run_load(port: int, load: Load, program: Path | None = None) -> LoadResult:
    """Return what the load generator measured on a port of 127.0.0.1.

    Raises
    ------
    RuntimeError
        The generator failed, or no message got through.
    subprocess.TimeoutExpired
        It did not end in its time.
    """
    command = [str(program or build()["load"]), *load.arguments(port)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=load.seconds + 30.0, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"load: status {done.returncode}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    names = {field.name for field in fields(LoadResult)}
    result = LoadResult(**{name: value for name, value in found.items() if name in names})
    if result.messages == 0:
        raise RuntimeError(f"load: no message got through: {result.first_error}")
    return result


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rounds of one load on several targets, by name of the target."""

    load: Load
    rounds: dict[str, list[LoadResult]]

    def value(self, target: str, field: str) -> float | None:
        """Return the median of a field over the rounds, ``None`` where it has no value."""
        values = [getattr(result, field) for result in self.rounds[target]]
        return None if None in values else float(median(values))

    def ratio(self, target: str, field: str) -> float | None:
        """Return the median of target / floor, each taken within one round."""
        pairs = zip(self.rounds[target], self.rounds[FLOOR], strict=True)
        ratios = []
        for ours, floor in pairs:
            top, bottom = getattr(ours, field), getattr(floor, field)
            if top is None or not bottom:
                return None
            ratios.append(top / bottom)
        return float(median(ratios))

    def errors(self, target: str) -> int:
        """Return the messages that failed, over all rounds."""
        return sum(result.errors for result in self.rounds[target])

    def as_json(self) -> dict[str, object]:
        """Return medians, ratios and every round, as JSON data."""
        measures = ("rate", "p50_us", "p99_us", "p999_us", "max_us", "settle_s", "cpu_us")
        targets = {
            name: {
                "median": {field: self.value(name, field) for field in measures},
                "ratio_to_floor": {field: self.ratio(name, field) for field in measures},
                "errors": self.errors(name),
                "rounds": [asdict(result) for result in results],
            }
            for name, results in self.rounds.items()
        }
        return {"load": asdict(self.load), "targets": targets}


def compare(
    targets: Sequence[Target],
    loads: Iterable[Load],
    rounds: int,
    progress: Callable[[str], None] = lambda _step: None,
) -> list[Comparison]:
    """Return one comparison per load; targets run side by side, loads in turns.

    Parameters
    ----------
    targets : sequence of Target
        One of them is named ``FLOOR``. All run the whole time; only one of
        them has work at a time.
    loads : iterable of Load
        Measured in this order in each round.
    rounds : int
        At least 1; the order of the targets turns by one from round to round.
    progress : callable
        Gets a line before each run.

    Raises
    ------
    RuntimeError
        A target or the load generator failed.
    """
    loads = list(loads)
    program = build()["load"]
    found = [Comparison(load, {target.name: [] for target in targets}) for load in loads]
    with ExitStack() as stack:
        servers = {target.name: stack.enter_context(running(target)) for target in targets}
        warm_up = Load(clients=8, messages=_WARM_UP_MESSAGES, seconds=5.0)
        for server in servers.values():
            run_load(server.port, warm_up, program)
        for turn in range(rounds):
            first = turn % len(targets)
            for comparison in found:
                for target in [*targets[first:], *targets[:first]]:
                    progress(_step(turn, rounds, comparison.load, target))
                    result = _measure(servers[target.name], comparison.load, program)
                    comparison.rounds[target.name].append(result)
    _check_counts(servers, found)
    return found


def _measure(server: RunningTarget, load: Load, program: Path) -> LoadResult:
    server.settle()
    before = _cpu_ticks(server.process.pid)
    result = run_load(server.port, load, program)
    settle_s = server.settle()
    cpu_s = (_cpu_ticks(server.process.pid) - before) / os.sysconf("SC_CLK_TCK")
    return replace(result, settle_s=settle_s, cpu_us=cpu_s * 1e6 / result.messages)


def _step(turn: int, rounds: int, load: Load, target: Target) -> str:
    return f"round {turn + 1}/{rounds}: {load.clients} clients, {target.name}"


def _check_counts(servers: Mapping[str, RunningTarget], found: Sequence[Comparison]) -> None:
    """Raise when a server handled less than it took: its rate would be worth nothing."""
    for name, server in servers.items():
        sent = sum(result.messages for one in found for result in one.rounds[name])
        if server.messages < sent:
            raise RuntimeError(f"{name}: handled {server.messages} of {sent} messages")
