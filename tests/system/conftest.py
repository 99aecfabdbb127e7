"""Real node processes, driven as a person or a script would."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

DEADLINE_S = 20.0


def binary() -> list[str]:
    """Return the command line of the program under test: EDGELAKE_BIN, or the installed one."""
    given = os.environ.get("EDGELAKE_BIN")
    return [given] if given else [str(Path(sys.executable).with_name("edgelake"))]


class NodeProcess:
    """One node driven through standard input; its answers are read line by line."""

    def __init__(self, home: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.child = subprocess.Popen(
            [*binary(), "--home", str(home), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=None if env is None else {**os.environ, **env},
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.seen: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._marks = 0

    def ask(self, command: str) -> list[str]:
        """Type a command and return the lines it answers; EOFError if the process ends first."""
        self._marks += 1
        mark = f"-- end of answer {self._marks} --"
        self.type(command)
        self.type(f'print "{mark}"')
        answer: list[str] = []
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(
                    f"no answer to {command!r}; so far: {self.seen[-20:]}"
                ) from None
            if line is None:
                self._lines.put(None)
                raise EOFError(f"the process ended during {command!r}")
            if line == mark:
                return answer
            answer.append(line)

    def type(self, command: str) -> None:
        """Type a line without waiting."""
        assert self.child.stdin is not None
        self.child.stdin.write(command + "\n")
        self.child.stdin.flush()

    def end_input(self) -> int:
        """Close standard input and return the exit status."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        return self.child.wait(DEADLINE_S)

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        self.child.kill()
        self.child.wait()

    def terminate(self) -> int:
        """Ask the process to end and return its exit status."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(DEADLINE_S)

    @property
    def ledger(self) -> Path:
        """The node's ledger file."""
        return self.home / "EdgeLake" / "blockchain" / "blockchain.json"

    @property
    def database(self) -> Path:
        """The node's ledger database."""
        return self.home / "EdgeLake" / "data" / "dbms" / "blockchain.dbms"

    def __enter__(self) -> NodeProcess:
        """Return the process."""
        return self

    def __exit__(self, *error: object) -> None:
        """Leave nothing running."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self._reader.join(5)
        for stream in (self.child.stdin, self.child.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # what a killed node did not read any more
                    stream.close()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.seen.append(line.rstrip("\n"))
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Start node processes that are gone after the test."""
    running: list[NodeProcess] = []

    def run(name: str, *arguments: str, **options: Any) -> NodeProcess:
        node = NodeProcess(tmp_path / name, *arguments, **options)
        running.append(node)
        return node

    yield run
    for node in running:
        node.__exit__()
