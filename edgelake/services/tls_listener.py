"""A listening socket for TLS: who connected and has not agreed on keys yet is bounded and counted.

asyncio tells its protocols of a connection when the handshake is done. Until then only the
socket knows that it is there.
"""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

from edgelake import limits

__all__ = ["TlsListener"]


class TlsListener(socket.socket):
    """Takes over a listening socket. For the thread of one loop.

    Parameters
    ----------
    listening : socket
        Cannot be used afterwards.
    count : callable
        Told why a connection was closed: ``no_room``, or ``no_handshake``.
    """

    def __init__(self, listening: socket.socket, count: Callable[[str], None]) -> None:
        shape = (listening.family, listening.type, listening.proto)
        super().__init__(*shape, fileno=listening.detach())
        self.setblocking(False)
        self._count = count
        self._waiting: dict[Any, socket.socket] = {}
        self._of_address: Counter[str] = Counter()

    @property
    def handshakes(self) -> int:
        """How many connections have not agreed on keys yet."""
        return len(self._waiting)

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection, and where it comes from.

        Raises
        ------
        ConnectionAbortedError
            There are too many handshakes already; it is closed.
        """
        taken, peer = super().accept()
        if (
            len(self._waiting) >= limits.MAX_REST_HANDSHAKES
            or self._of_address[peer[0]] >= limits.MAX_REST_HANDSHAKES_OF_ADDRESS
        ):
            self._count("no_room")
            taken.close()
            raise ConnectionAbortedError("too many handshakes")
        self._of_address[peer[0]] += 1
        held = self._waiting[peer] = _Taken(taken, lambda: self._gone(peer))
        return held, peer

    def agreed(self, peer: Any) -> None:
        """Note that the handshake with a peer is done."""
        if self._waiting.pop(peer, None) is not None:
            self._of_address[peer[0]] -= 1
            if not self._of_address[peer[0]]:
                del self._of_address[peer[0]]

    def close(self) -> None:
        """Listen no more, and have those who have not agreed on keys yet closed."""
        super().close()
        for taken in self._waiting.values():
            with contextlib.suppress(OSError):
                taken.shutdown(socket.SHUT_RDWR)

    def _gone(self, peer: Any) -> None:
        if peer in self._waiting:
            self.agreed(peer)
            self._count("no_handshake")


class _Taken(socket.socket):
    """A connection that says when it is closed."""

    def __init__(self, taken: socket.socket, closed: Callable[[], None]) -> None:
        super().__init__(taken.family, taken.type, taken.proto, fileno=taken.detach())
        self._told = closed

    def close(self) -> None:
        """Close it."""
        # Counted when the other side learns of it.
        self._told()
        super().close()
