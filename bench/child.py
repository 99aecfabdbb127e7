"""Child processes that are asked while they run, and end with their parent.

A child prints one line of JSON when it is ready, answers each line that it
reads with one more, and ends when its standard input closes: that happens too
when its parent is killed.
"""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.build import ROOT

__all__ = [
    "Child",
    "Memory",
    "allow_descriptors",
    "answer_questions",
    "cpu_seconds",
    "descriptors",
    "forget_peak",
    "last_words",
    "memory",
    "peak_bytes",
    "running_child",
    "wait_until",
]

DEADLINE_S = 60.0
_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.005
# MAKE_PROCESS_CPUCLOCK and CPUCLOCK_SCHED of Linux's posix-timers.h: nanoseconds,
# where /proc has ticks of 10 ms.
_CLOCK_SHIFT, _CLOCK_SCHED = 3, 2


@dataclass(slots=True)
class Child:
    """A child while it runs.

    Attributes
    ----------
    ready : dict
        What it said first, its ``port`` at least.
    """

    process: subprocess.Popen[bytes]
    words: IO[bytes]
    ready: dict[str, Any]

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self.process.pid

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.ready["port"])

    def ask(self, question: str = "") -> dict[str, Any]:
        """Return what the child counts at this moment; what a question means is the child's.

        Raises
        ------
        RuntimeError
            It ended, or does not answer.
        """
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # the answer that does not come tells why
            self.process.stdin.write(question.encode() + b"\n")
        return _read_line(self.process, self.words)


@contextmanager
def running_child(module: str, *arguments: str) -> Iterator[Child]:
    """Run ``python -m module`` until the end of the block.

    Raises
    ------
    RuntimeError
        It is not ready in time, or failed; with its last words.
    """
    command = [sys.executable, "-m", module, *arguments]
    # Standard error goes to a file: a full pipe would stop a talkative child.
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            cwd=ROOT,
            bufsize=0,
        ) as process,
    ):
        try:
            yield Child(process, words, _read_line(process, words))
            process.communicate(timeout=_STOP_TIMEOUT_S)
            if process.returncode != 0:
                raise RuntimeError(last_words(command, process.returncode, words))
        except BaseException:
            process.kill()
            raise


def answer_questions(ready: dict[str, Any], answer: Callable[[str], dict[str, Any]]) -> None:
    """Be such a child: say that it is ready, then answer until standard input closes."""
    print(json.dumps(ready), flush=True)
    while question := sys.stdin.buffer.readline():
        print(json.dumps(answer(question.decode().strip())), flush=True)


def _read_line(process: subprocess.Popen[bytes], words: IO[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(DEADLINE_S):
            raise RuntimeError(f"{_name(process)}: silent for {DEADLINE_S:g} s")
    line = process.stdout.readline()
    if not line:
        status = process.wait(_STOP_TIMEOUT_S)
        raise RuntimeError(last_words([_name(process)], status, words))
    found: dict[str, Any] = json.loads(line)
    return found


def _name(process: subprocess.Popen[bytes]) -> str:
    return " ".join(str(word) for word in list(process.args)[1:])  # type: ignore[arg-type]


def last_words(command: list[str], status: int, words: IO[bytes]) -> str:
    """Return a sentence about a process that failed, with the last line it wrote."""
    words.seek(0)
    lines = words.read().decode(errors="replace").strip().splitlines()
    name = " ".join([Path(command[0]).name, *command[1:]])
    return f"{name}: ended with status {status}: {lines[-1] if lines else 'no message'}"


# ------------------------------------------------------- what a process uses


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a process.

    Attributes
    ----------
    resident_bytes : int
        Everything in memory, files of libraries that others share included.
    private_bytes : int
        The part that belongs to the process alone. What the kernel keeps
        for its sockets is in neither.
    """

    resident_bytes: int
    private_bytes: int


def memory(pid: int) -> Memory:
    """Return the memory of a process."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split()[:2]
        found[name] = int(value) * 1024
    return Memory(found["Rss:"], found["Private_Clean:"] + found["Private_Dirty:"])


def forget_peak(pid: int) -> None:
    """Let the peak of a process's memory begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process had resident, since `forget_peak`."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the system does not tell the peak of memory")


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process so far, all threads, user and system."""
    return time.clock_gettime((~pid << _CLOCK_SHIFT) | _CLOCK_SCHED)


def allow_descriptors() -> int:
    """Take as many descriptors as the system grants; return how many, children inherit it."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until a condition holds.

    Raises
    ------
    RuntimeError
        It does not in ``deadline_s`` seconds.
    """
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {deadline_s:g} s: {what}")
        time.sleep(_POLL_S)
