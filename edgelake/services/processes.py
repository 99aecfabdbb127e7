"""Child processes of a node: run with a deadline and bounded output, ended with the node.

Each child leads a process group of its own. Whatever it started ends with it, with its
deadline, or with the node, unless it went into a group of its own.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from edgelake import limits
from edgelake.errors import NotRunning, SystemCallFailed, SystemCallTimeout

__all__ = ["SHELL", "ChildProcesses", "Finished"]

SHELL = "/bin/sh"
"""The shell of this machine."""

_DETACHED = f'{SHELL} -c "$1" </dev/null >/dev/null 2>&1 & echo $!'
_CHUNK_BYTES = 64 * 1024
_LOOK_S = 0.02
"""How often is looked whether a child ended, on kernels that do not tell."""
_END = "end"


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child ended.

    Attributes
    ----------
    status : int
        Exit status; negative for the number of the signal that ended it.
    output : bytes
    errors : bytes
        The end of its error output.
    """

    status: int
    output: bytes
    errors: bytes


class ChildProcesses:
    """The children of one node. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def run(
        self,
        words: Sequence[str],
        *,
        environment: Mapping[str, str],
        timeout_s: float,
        most_output_bytes: int,
        most_error_bytes: int,
        given: bytes = b"",
        watch: Callable[[], None] | None = None,
    ) -> Finished:
        """Run a program and return how it ended; its process group ends with it.

        Parameters
        ----------
        words : sequence of str
            Path of the program, and its arguments.
        environment : mapping of str to str
        timeout_s : float
            Seconds after which it is ended.
        most_output_bytes : int
            Output above which it is ended.
        most_error_bytes : int
            How much of the end of its error output is kept.
        given : bytes
            What it reads.
        watch : callable or None
            Called a few times a second meanwhile; what it raises ends the program.

        Raises
        ------
        SystemCallTimeout
            It took too long.
        SystemCallFailed
            It cannot be started, or wrote too much.
        NotRunning
            The node ends.
        """
        child = self._start(words, environment, given)
        collector = _Collector(child, most_output_bytes, most_error_bytes)
        try:
            collector.collect(time.monotonic() + timeout_s, watch)
        except TimeoutError:
            raise SystemCallTimeout(
                f"not finished within timeout = {timeout_s:g} seconds; it was ended"
            ) from None
        finally:
            self._end(child)
            child.wait()
            collector.close()
        if self._closed:
            raise NotRunning("the node ends, and the command with it")
        return Finished(child.returncode, bytes(collector.output), bytes(collector.errors))

    def start_detached(self, command: str, *, environment: Mapping[str, str]) -> int:
        """Start a command of the shell that nobody waits for; return its process number.

        It reads nothing, what it writes is lost, and it goes on when the node ends.

        Raises
        ------
        SystemCallFailed
            It cannot be started.
        NotRunning
            The node ends.
        """
        if self._closed:
            raise NotRunning("the node ends, and starts nothing more")
        try:
            # The shell in front ends at once, so that the system waits for the one behind.
            started = subprocess.run(
                (SHELL, "-c", _DETACHED, SHELL, command),
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,
                timeout=limits.SYSTEM_TIMEOUT_S,
                check=True,
            )
            return int(started.stdout)
        except (OSError, ValueError, subprocess.SubprocessError) as exc:
            raise SystemCallFailed(f"the command cannot be started: {exc}") from exc

    def close(self) -> None:
        """End all children and start no more; may be called twice."""
        with self._lock:
            self._closed = True
            for child in self._running:
                _kill_group(child)

    # --------------------------------------------------------------- parts

    def _start(
        self, words: Sequence[str], environment: Mapping[str, str], given: bytes
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise NotRunning("the node ends, and starts nothing more")
            try:
                with _file_of(given) as source:
                    child = subprocess.Popen(
                        words,
                        env=environment,
                        stdin=source,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        start_new_session=True,
                    )
            except (OSError, ValueError) as exc:
                raise SystemCallFailed(f"'{words[0]}' cannot be started: {exc}") from exc
            self._running.add(child)
            return child

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        """End what is left of a child's group while nobody has asked how the child ended."""
        with self._lock:
            _kill_group(child)
            self._running.discard(child)


# ------------------------------------------------------------------- parts


class _Collector:
    """Takes what one child writes until the child ends."""

    def __init__(self, child: subprocess.Popen[bytes], most_output: int, most_errors: int) -> None:
        assert child.stdout is not None
        assert child.stderr is not None
        self.output = bytearray()
        self.errors = bytearray()
        self._child = child
        self._most_output = most_output
        self._most_errors = most_errors
        self._pipes = (child.stdout, child.stderr)

    def collect(self, deadline: float, watch: Callable[[], None] | None) -> None:
        """Take everything until the child has ended; see `ChildProcesses.run`.

        Raises
        ------
        TimeoutError
        SystemCallFailed
            It wrote more than it may.
        """
        with selectors.DefaultSelector() as selector, _end_of(self._child) as end:
            if end is not None:
                selector.register(end, selectors.EVENT_READ, _END)
            for pipe in self._pipes:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
            while True:
                if watch is not None:
                    watch()
                # Looked at first: what it wrote before it ended is there then.
                ended = _has_ended(self._child)
                left_s = max(deadline - time.monotonic(), 0.0)
                look_s = _LOOK_S if end is None else left_s if watch is None else limits.WATCH_S
                wait_s = 0.0 if ended else min(left_s, look_s)
                ready = [key for key, _ in selector.select(wait_s) if key.data is not _END]
                for key in ready:
                    self._take(key.fileobj, selector)  # type: ignore[arg-type]
                if ended and not ready:
                    return
                if left_s <= 0.0:
                    raise TimeoutError

    def close(self) -> None:
        """Close the pipes."""
        for pipe in self._pipes:
            pipe.close()

    def _take(self, pipe: IO[bytes], selector: selectors.BaseSelector) -> None:
        try:
            data = os.read(pipe.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return
        if not data:
            selector.unregister(pipe)
        elif pipe is self._pipes[0]:
            self.output += data
            if len(self.output) > self._most_output:
                raise SystemCallFailed(
                    f"the output exceeds {self._most_output} bytes; the command was ended",
                    hint="let it write into a file: … > file",
                )
        else:
            self.errors += data
            del self.errors[: -self._most_errors]


@contextmanager
def _end_of(child: subprocess.Popen[bytes]) -> Iterator[int | None]:
    """Give a descriptor that is readable when the child has ended, if the kernel has such."""
    try:
        descriptor = os.pidfd_open(child.pid)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Return whether a child ended, and leave it as it is: its number stays its own."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError:
        child.kill()  # what it became belongs to another user


def _file_of(given: bytes) -> IO[bytes]:
    """Return a file without a name that holds some bytes; an empty one is the null device."""
    if not given:
        return open(os.devnull, "rb")
    made = os.fdopen(os.memfd_create("given"), "w+b")
    made.write(given)
    made.seek(0)
    return made
