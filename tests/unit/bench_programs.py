"""What the tests of the benchmark share: its C programs, servers that behave badly on purpose."""

from __future__ import annotations

import atexit
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.build import build
from bench.running import Target
from bench.targets import FLOOR
from edgelake.limits import BLOCK_BYTES

__all__ = ["floor", "load", "programs", "receive_block", "serving"]


@cache
def _folder() -> TemporaryDirectory[str]:
    # Removed at the end of the run, by the run that made it and by no other.
    folder = TemporaryDirectory(prefix="edgelake-test-programs-")
    atexit.register(folder.cleanup)
    return folder


@cache
def programs() -> dict[str, Path]:
    """The C programs, compiled once for this run with warnings as errors."""
    return build(Path(_folder().name))


def floor(message_bytes: int = BLOCK_BYTES, kind: str = "close", name: str = FLOOR) -> Target:
    return Target(name, (str(programs()["floor"]), "2", kind, str(message_bytes)))


def load(port: int, *arguments: str) -> dict[str, Any]:
    """What the load generator prints."""
    command = [str(programs()["load"]), f"--port={port}", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=60.0, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def receive_block(peer: socket.socket) -> bytes:
    """One block, or less where the peer ended."""
    block = b""
    while len(block) < BLOCK_BYTES and (received := peer.recv(BLOCK_BYTES - len(block))):
        block += received
    return block


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server with a thread for each connection; gives its port.

    Leaving waits for all of them, and raises what one of them raised.
    """
    threads: list[threading.Thread] = []
    raised: list[BaseException] = []

    def serve(peer: socket.socket) -> None:
        try:
            with peer:
                peer.settimeout(30.0)
                handle(peer)
        except BaseException as exc:
            raised.append(exc)

    def accept() -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                thread = threading.Thread(target=serve, args=(listener.accept()[0],))
                threads.append(thread)
                thread.start()

    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()
    if raised:
        raise raised[0]
