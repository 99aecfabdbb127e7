"""Others that are in the way while calls are measured: slow callers, and peers that are no more."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

__all__ = ["CALLERS_OF_PEERS", "STALLED", "TROUBLES"]

STALLED = 100
CALLERS_OF_PEERS = 50

_SETTLE_S = 0.3
_UNFINISHED = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\ncommand: get sta"


@contextmanager
def _nothing(_port: int) -> Iterator[None]:
    yield


@contextmanager
def _stalled(port: int) -> Iterator[None]:
    """Callers that have sent half of a call."""
    with ExitStack() as stack:
        for _ in range(STALLED):
            stack.enter_context(_connected(port)).sendall(_UNFINISHED)
        yield


@contextmanager
def _silent_peer(port: int) -> Iterator[None]:
    """Call for a peer that takes connections and never says a word."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=2 * CALLERS_OF_PEERS) as peer,
        _calls_for(port, peer.getsockname()[1]),
    ):
        yield


@contextmanager
def _dead_peer(port: int) -> Iterator[None]:
    """Call for a peer to which no connection comes about, as if its machine was off."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as peer, ExitStack() as stack:
        # A queue that is full lets the kernel drop what comes: nobody is refused, nobody gets in.
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(peer.getsockname())
        with _calls_for(port, peer.getsockname()[1]):
            yield


@contextmanager
def _calls_for(port: int, peer: int) -> Iterator[None]:
    call = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\ncommand: get status\r\n"
        f"destination: 127.0.0.1:{peer}\r\n\r\n"
    )
    with ExitStack() as stack:
        for _ in range(CALLERS_OF_PEERS):
            stack.enter_context(_connected(port)).sendall(call.encode())
        # Understanding and sending fifty calls is work like any other; what is measured is waiting.
        time.sleep(_SETTLE_S)
        yield


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30.0)


TROUBLES: dict[str, Callable[[int], AbstractContextManager[None]]] = {
    "nobody else": _nothing,
    f"{STALLED} callers that stopped in the midst of a call": _stalled,
    f"{CALLERS_OF_PEERS} calls for a peer that never answers": _silent_peer,
    f"{CALLERS_OF_PEERS} calls for a peer that is off": _dead_peer,
}
"""Who else is there, and how; the first is what the others are compared with."""
