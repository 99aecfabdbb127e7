"""Run a server for the time of its measurements."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from bench.build import ROOT
from bench.process import cpu_s, failure, read_line, resident_bytes

__all__ = ["RunningTarget", "Target", "Unavailable", "running"]

UNAVAILABLE = "unavailable:"
"""Begins the first line of a target that cannot run here; the reason follows."""

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0
_SETTLE_TIMEOUT_S = 20.0
_IDLE_S = 0.03
_IDLE_PART = 0.05
"""Of a core; one that only looks around from time to time needs less."""
_SETTLE_POLL_S = 0.01
_POLL_S = 0.05


class Unavailable(RuntimeError):
    """What a target needs is not in this build or not on this machine."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to measure: its name and the command that starts it.

    The process prints its port as the first line on standard output, ends
    when its standard input closes, and prints then how many messages it
    handled, as JSON.

    Attributes
    ----------
    name : str
    command : tuple of str
    optional : bool
        It may be left out where this build or this machine lacks something.
    mode : str or None
        How it is loaded, where that is not as the load says: a floor answers
        plain requests, edgelake those of a session.
    opening : str or None
        For a node that knows nothing of benchmarks: the command it reads
        from standard input to listen on ``port``. It reports no count.
    port : int
        Only with ``opening``.
    patience_s : float
        How long it may take to end by itself; then it is killed.
    """

    name: str
    command: tuple[str, ...]
    optional: bool = False
    mode: str | None = None
    opening: str | None = None
    port: int = 0
    patience_s: float = 15.0


@dataclass(slots=True)
class RunningTarget:
    """A target while it runs, and what it reported when it ended.

    Attributes
    ----------
    port : int
        Where it listens on 127.0.0.1.
    messages : int or None
        Messages it handled by its own count; 0 until it has ended, ``None``
        when it does not count.
    """

    port: int
    process: subprocess.Popen[bytes]
    messages: int | None = 0
    group: bool = False

    def cpu_s(self) -> float:
        """Return the processor time it used so far, in seconds."""
        return cpu_s(self.process.pid, group=self.group)

    def resident_bytes(self) -> int:
        """Return its resident memory."""
        return resident_bytes(self.process.pid)

    def settle(self) -> float:
        """Return the seconds until the process was idle: queues are then empty.

        Without it the work that one target still has would slow the next one.

        Raises
        ------
        RuntimeError
            The process ended, or was still busy after 20 s.
        """
        begin = idle_since = time.monotonic()
        used_s = self.cpu_s()
        while (now := time.monotonic()) - begin < _SETTLE_TIMEOUT_S:
            if now - idle_since >= _IDLE_S:
                return idle_since - begin
            with suppress(subprocess.TimeoutExpired):
                status = self.process.wait(_SETTLE_POLL_S)
                raise RuntimeError(f"the server ended with status {status}")
            before_s, used_s = used_s, self.cpu_s()
            if used_s - before_s > _IDLE_PART * (time.monotonic() - now):
                idle_since = time.monotonic()
        raise RuntimeError(f"the server was busy for {_SETTLE_TIMEOUT_S:g} s without a message")


@contextmanager
def running(target: Target) -> Iterator[RunningTarget]:
    """Run a target and end it by closing its standard input.

    Raises
    ------
    Unavailable
        The target said that it cannot run here.
    RuntimeError
        The target did not say its port, or failed; with its last words.
    """
    # Standard error goes to a file: a full pipe would stop a talkative server.
    with tempfile.TemporaryFile() as words:
        if target.opening is not None:
            with _running_node(target, words) as run:
                yield run
            return
        with subprocess.Popen(
            target.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, cwd=ROOT
        ) as process:
            try:
                run = RunningTarget(_read_port(target, process, words), process)
                yield run
                report, _ = process.communicate(timeout=target.patience_s)
                if process.returncode != 0:
                    raise RuntimeError(failure(target.name, process, words))
                run.messages = int(json.loads(report)["messages"])
            except BaseException:
                process.kill()
                raise


def _read_port(target: Target, process: subprocess.Popen[bytes], words: IO[bytes]) -> int:
    line = read_line(process, _START_TIMEOUT_S)
    if line is None:
        raise RuntimeError(f"{target.name}: no port within {_START_TIMEOUT_S:g} s")
    if line.startswith(UNAVAILABLE):
        raise Unavailable(line.removeprefix(UNAVAILABLE).strip())
    if not line:
        process.wait(_STOP_TIMEOUT_S)
        raise RuntimeError(failure(target.name, process, words))
    return int(line)


@contextmanager
def _running_node(target: Target, words: IO[bytes]) -> Iterator[RunningTarget]:
    assert target.opening is not None
    with subprocess.Popen(
        target.command,
        stdin=subprocess.PIPE,
        stdout=words,
        stderr=words,
        start_new_session=True,  # a group of its own: counted, and ended, as a whole
    ) as process:
        assert process.stdin is not None
        try:
            with suppress(BrokenPipeError):  # it ended: the wait below says so
                process.stdin.write(target.opening.encode() + b"\n")
                process.stdin.flush()
            _wait_until_accepting(target, process, words)
            yield RunningTarget(target.port, process, None, group=True)
            process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(target.patience_s)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_accepting(
    target: Target, process: subprocess.Popen[bytes], words: IO[bytes]
) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", target.port), _POLL_S):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
            raise RuntimeError(failure(target.name, process, words))
    raise RuntimeError(f"{target.name}: does not listen after {_START_TIMEOUT_S:g} s")
