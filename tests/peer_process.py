"""Another process for tests of faults: a station, or clients, told what to do line by line.

``station <port>`` prints its port, answers every request with its own text and
prints the command of each; ``idle <host> <port> <count>`` opens connections,
says how many, and holds them. Both end with standard input.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgelake.wire import Message, Reply
from tests.stations import Station, echo
from tests.waiting import eventually


def _say(*words: object) -> None:
    # One write, so that lines of several threads do not mix.
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def _station(port: str) -> None:
    def respond(message: Message) -> Reply | None:
        _say("got", message.command.decode().split()[-1])
        return echo(message) if message.command.startswith(b"get") else None

    made = Station(respond, port=int(port))
    made.start()
    _say(made.place[1])
    sys.stdin.readline()
    made.stop()


def _idle(host: str, port: str, count: str) -> None:
    raise_limit()
    held = [socket.create_connection((host, int(port))) for _ in range(int(count))]
    _say(len(held))
    sys.stdin.readline()


def raise_limit() -> None:
    """Let this process have as many descriptors as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Leave this process without a free descriptor for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    holes: list[int] = []
    try:
        while True:
            try:
                holes.append(os.dup(0))
            except OSError:
                break
        yield
    finally:
        for hole in holes:
            os.close(hole)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Child:
    """This file as a process of its own."""

    def __init__(self, *words: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.peer_process", *(str(word) for word in words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()

    def sleep(self) -> None:
        """Have it do nothing until it gets SIGCONT."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.process.pid}/task")

        def asleep() -> bool:
            # Behind the name, which may hold anything, stands the state.
            states = [(task / "stat").read_text().rpartition(")")[2] for task in tasks.iterdir()]
            return all(state.split()[0] == "T" for state in states)

        eventually(asleep, "each of its threads is stopped")

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        found = self.process.stdout.readline()
        assert found, "the other process has ended"
        return found.strip()


ROLES: dict[str, Callable[..., Any]] = {"station": _station, "idle": _idle}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
