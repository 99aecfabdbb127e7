"""The load generator and the holder of connections, from Python."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

from bench.build import build
from bench.process import failure, read_line

__all__ = ["MODES", "Held", "Hold", "Load", "LoadResult", "holding", "run_load"]

MODES = {
    "connection": (),
    "no-wait": ("--no-wait",),
    "kept": ("--kept",),
    "exchange": ("--exchange",),
    "session": ("--session",),
}
"""How messages travel, and the arguments of ``load`` for it; see ``native/load.c``."""

_READY_TIMEOUT_S = 40.0
_END_TIMEOUT_S = 15.0
_DEFAULT_COMMAND = "set a = 5"


@dataclass(frozen=True, slots=True)
class Hold:
    """Connections that are open beside a load; see ``native/hold.c``.

    Attributes
    ----------
    kind : str
        ``idle``, ``stalled`` or ``slow``.
    connections : int
    """

    kind: str
    connections: int


@dataclass(slots=True)
class Held:
    """Connections while they are held, and what became of them.

    Attributes
    ----------
    closed : int
        So many the server had closed by the end.
    """

    closed: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """What the load generator does; see ``native/load.c``.

    Attributes
    ----------
    clients : int
        Each sends one message at a time, or ``depth`` of them.
    seconds : float
        No message is started afterwards.
    messages : int or None
        Ends the run when it comes first.
    blocks : int
        Size of a message in blocks of 2,048 bytes.
    mode : str
        A key of `MODES`.
    threads : int
        Of the generator; by default one per core, where there are as many clients.
    depth : int
        Requests under way on one connection.
    commands : tuple of str
        Sent in turns.
    rate : float or None
        Messages a second that are due whatever the server does.
    burst_s : float or None
        All clients start together every so many seconds.
    hold : Hold or None
        Connections that are held open beside it.
    timeout_s : float
        Longest wait for a server that does nothing.
    """

    clients: int
    seconds: float = 10.0
    messages: int | None = None
    blocks: int = 1
    mode: str = "connection"
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    depth: int = 1
    commands: tuple[str, ...] = (_DEFAULT_COMMAND,)
    rate: float | None = None
    burst_s: float | None = None
    hold: Hold | None = None
    timeout_s: float = 5.0

    def arguments(self, port: int) -> list[str]:
        """Return the arguments of the program for a server on 127.0.0.1."""
        numbers: dict[str, object] = {
            "port": port,
            "clients": self.clients,
            "seconds": self.seconds,
            "messages": self.messages,
            "blocks": self.blocks,
            "threads": self.threads,
            "depth": self.depth,
            "rate": self.rate,
            "burst": self.burst_s,
            "timeout": self.timeout_s,
        }
        texts = [*numbers.items(), *(("command", text) for text in self.commands)]
        given = [f"--{name}={value}" for name, value in texts if value is not None]
        return [*given, *MODES[self.mode]]

    @property
    def label(self) -> str:
        """What tells this load from the others of its scenario."""
        parts = [f"{self.clients} client" + "s" * (self.clients > 1)]
        if self.depth > 1:
            parts.append(f"{self.depth} deep")
        if self.blocks > 1:
            parts.append(f"{self.blocks} blocks")
        if self.rate is not None:
            parts.append(f"{self.rate:,.0f}/s")
        if self.burst_s is not None:
            parts.append("in bursts")
        if len(self.commands) > 1:
            parts.append(f"{len(self.commands)} commands")
        if self.hold is not None:
            parts.append(f"{self.hold.connections:,} {self.hold.kind}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One run of the load generator; latencies are None for kept streams.

    Attributes
    ----------
    rate : float
        Messages a second, until the server had no work left.
    sent_rate : float
        Messages a second, until the generator had sent them.
    late, unsent : int
        At a fixed rate: messages that started more than 1 ms after they were
        due, and those that never did.
    percentiles : list
        Pairs of percentile and latency in µs, as far as there are values.
    settle_s : float
        Time from its end until the server had no work left.
    cpu_us : float
        Processor time of the server for one message.
    resident_bytes : int
        Memory of the server at the end of the load.
    held_closed : int
        Of the connections that were held beside it, so many the server closed.
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
    late: int = 0
    unsent: int = 0
    percentiles: list[tuple[float, float]] = field(default_factory=list)
    sent_rate: float = 0.0
    settle_s: float = 0.0
    cpu_us: float = 0.0
    resident_bytes: int = 0
    held_closed: int = 0


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
    patience_s = load.seconds + 2 * load.timeout_s + 20.0
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience_s, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"load: status {done.returncode}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    names = {field.name for field in fields(LoadResult)}
    result = LoadResult(**{name: value for name, value in found.items() if name in names})
    if result.messages == 0:
        raise RuntimeError(f"load: no message got through: {result.first_error}")
    return result


@contextmanager
def holding(
    port: int, hold: Hold | None, program: Path | None = None, *, plain: bool = False
) -> Iterator[Held]:
    """Hold connections to a port of 127.0.0.1 open; ``None`` holds none.

    Parameters
    ----------
    port : int
    hold : Hold or None
    program : Path or None
    plain : bool
        The server knows nothing of sessions.

    Raises
    ------
    RuntimeError
        They could not be opened.
    """
    held = Held()
    if hold is None:
        yield held
        return
    command = [str(program or build()["hold"]), f"--port={port}", f"--kind={hold.kind}"]
    command += [f"--connections={hold.connections}", *["--plain"] * plain]
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words
        ) as process,
    ):
        try:
            if read_line(process, _READY_TIMEOUT_S) != "ready":
                process.wait(_END_TIMEOUT_S)
                raise RuntimeError(failure("hold", process, words))
            yield held
            report, _ = process.communicate(timeout=_END_TIMEOUT_S)
        except BaseException:
            process.kill()
            raise
    held.closed = int(json.loads(report)["closed_by_server"])
