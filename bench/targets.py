"""The servers that are measured: floors, edgelake's modes, peers."""

from __future__ import annotations

import importlib.util
import os
import random
import shlex
import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress

from bench.build import build
from bench.running import Target
from edgelake.limits import BLOCK_BYTES

__all__ = [
    "FLOOR",
    "MODES",
    "REFERENCE",
    "edgelake_target",
    "floor_target",
    "free_port",
    "peer_targets",
    "reference_target",
]

FLOOR = "floor"
"""Name of the target that the others are divided by."""

REFERENCE = "reference node"

MODES = ("drop", "native", "count", "batch", "python", "language")
"""What edgelake does with a message, from the least to the most; see ``target.py``."""

_REFERENCE_THREADS = 6


def floor_target(
    threads: int, message_bytes: int = BLOCK_BYTES, name: str = FLOOR, kind: str = "close"
) -> Target:
    """Return a bare epoll loop; ``kind`` is ``close``, ``stream`` or ``answer``."""
    program = build()["floor"]
    return Target(name, (str(program), str(threads), kind, str(message_bytes)))


def edgelake_target(
    threads: int, mode: str = "count", name: str | None = None, load_mode: str | None = None
) -> Target:
    """Return edgelake in one of `MODES`, by default with a handler in Python that counts."""
    command = (sys.executable, "-m", "bench.target", f"--threads={threads}", f"--mode={mode}")
    return Target(name or mode, command, optional=True, mode=load_mode)


def peer_targets() -> tuple[list[Target], dict[str, str]]:
    """Return other ways to serve messages, and which of them are missing and why."""
    asyncio_peer = (sys.executable, "-m", "bench.asyncio_peer")
    peers = [Target("asyncio", asyncio_peer, optional=True)]
    missing = {}
    if importlib.util.find_spec("uvloop") is None:
        missing["uvloop"] = "not installed: pip install 'edgelake[bench]'"
    else:
        peers.append(Target("uvloop", (*asyncio_peer, "--uvloop"), optional=True))
    thread_peer = (sys.executable, "-m", "bench.thread_peer")
    peers.append(Target("thread pool model", thread_peer, optional=True))
    reference = reference_target(os.environ)
    if reference is None:
        missing[REFERENCE] = "REFERENCE_NODE is not set"
    else:
        peers.append(reference)
    return peers, missing


def reference_target(environment: Mapping[str, str]) -> Target | None:
    """Return the node that ``REFERENCE_NODE`` names, ``None`` where it names none.

    Its value is a command line; the program reads commands from standard input.
    """
    words = shlex.split(environment.get("REFERENCE_NODE", ""))
    if not words:
        return None
    if shutil.which("setpriv") is not None:
        # It may not end with its input: the kernel ends it when the harness is gone.
        words = ["setpriv", "--pdeathsig", "KILL", *words]
    port = free_port()
    opening = (
        f"run tcp server where external_ip = 127.0.0.1 and external_port = {port}"
        f" and internal_ip = 127.0.0.1 and internal_port = {port}"
        f" and bind = false and threads = {_REFERENCE_THREADS}"
    )
    return Target(REFERENCE, tuple(words), optional=True, opening=opening, port=port)


def free_port() -> int:
    """Return a port below the ephemeral ones, so that no connection takes it meanwhile."""
    for port in random.sample(range(20_000, 32_768), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise RuntimeError("no free port from 20000 to 32767")
