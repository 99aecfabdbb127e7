"""Load by HTTP: wrk, of the Debian package of this name."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Call", "Found", "run_wrk"]

_SCRIPT = Path(__file__).with_name("wrk.lua")
_TIMEOUT_S = 5
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent again and again.

    Attributes
    ----------
    headers : mapping of str to str
    method : str
    path : str
    body : bytes or None
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    path: str = "/"
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What callers saw.

    Attributes
    ----------
    calls : int
        That were answered with a status below 400.
    rate : float
        Of them in a second.
    p50_ms, p99_ms, max_ms : float
        From a call to its whole answer.
    """

    calls: int
    rate: float
    p50_ms: float
    p99_ms: float
    max_ms: float


def run_wrk(port: int, call: Call, connections: int, seconds: float) -> Found:
    """Return what callers on so many kept connections saw, each with one call at a time.

    Parameters
    ----------
    port : int
        Of 127.0.0.1.
    call : Call
    connections : int
    seconds : float
        Rounded to whole ones, at least 1: wrk takes no others.

    Raises
    ------
    RuntimeError
        wrk is not installed or failed, or a call was refused or not answered.
    """
    program = shutil.which("wrk")
    if program is None:
        raise RuntimeError("wrk is not installed; it is the Debian package wrk")
    with ExitStack() as stack:
        words = [call.method]
        if call.body is not None:
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="edgelake-bench-"))
            file.write(call.body)
            file.flush()
            words.append(file.name)
        command = [
            *(program, "--threads=1", f"--connections={connections}"),
            *(f"--duration={max(1, round(seconds))}s", f"--timeout={_TIMEOUT_S}s"),
            *(f"--script={_SCRIPT}", "--latency"),
            *(f"--header={name}: {value}" for name, value in call.headers.items()),
            *(f"http://127.0.0.1:{port}{call.path}", "--", *words),
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds + _PATIENCE_S,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"wrk: status {done.returncode}: {done.stderr.strip()}")
    told = json.loads(done.stdout.splitlines()[-1])
    if told["refused"] or told["unanswered"] or not told["calls"]:
        raise RuntimeError(
            f"wrk: {told['refused']} calls were refused, {told['unanswered']} not answered,"
            f" of {told['calls']}"
        )
    return Found(
        calls=told["calls"],
        rate=told["calls"] / told["us"] * 1e6,
        p50_ms=told["p50_us"] / 1e3,
        p99_ms=told["p99_us"] / 1e3,
        max_ms=told["max_us"] / 1e3,
    )
