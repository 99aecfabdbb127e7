"""Outbound messages: sent by one native thread, their outcome as futures."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count

from edgelake import limits
from edgelake._native import Sender
from edgelake.errors import (
    EdgeLakeError,
    Overloaded,
    PeerClosed,
    PeerError,
    PeerRefused,
    PeerTimeout,
)
from edgelake.wire.addresses import Endpoint, Resolver

__all__ = ["MessageSender"]

_REFUSED = {errno.ECONNREFUSED}
_TIMEOUT = {errno.ETIMEDOUT}
_CLOSED = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED}


class MessageSender:
    """Sends whole messages, each on its own connection, without ever blocking.

    Owns the native sender thread, one thread that completes futures, and the
    resolver. ``start`` once, ``stop`` once; ``reply`` and ``send`` from any
    thread between.

    Parameters
    ----------
    route : callable or None
        Rewrites a destination before it is used, for addresses that are
        reached another way from here.
    """

    def __init__(self, route: Callable[[Endpoint], Endpoint] | None = None) -> None:
        self._route = route
        self._native = Sender(
            connect_timeout_s=limits.CONNECT_TIMEOUT_S,
            block_timeout_s=limits.BLOCK_SEND_TIMEOUT_S,
            max_pending=limits.MAX_PENDING_SENDS,
            max_pending_bytes=limits.MAX_PENDING_SEND_BYTES,
            max_pending_per_destination=limits.MAX_PENDING_PER_DESTINATION,
            max_sockets_per_destination=limits.MAX_SOCKETS_PER_DESTINATION,
        )
        self._resolver = Resolver()
        self._lock = threading.Lock()
        self._tickets = count(1)
        self._waiting: dict[int, tuple[Endpoint, Future[None]]] = {}
        self._replies: dict[str, tuple[int, int]] = {}
        self._reaper = threading.Thread(target=self._complete, name="send-results", daemon=True)

    def start(self) -> None:
        """Start the two threads."""
        self._native.start()
        self._reaper.start()

    def stop(self, timeout_s: float) -> bool:
        """Send what goes in ``timeout_s`` seconds, fail the rest; return whether all went."""
        self._resolver.close()
        flushed = self._native.stop(timeout_s)
        if self._reaper.is_alive():
            self._reaper.join(timeout_s)
        return flushed

    def reply(self, to: Endpoint, blocks: bytes, peer: str) -> None:
        """Send an answer by the protocol's retry rule; nobody waits for its outcome.

        Parameters
        ----------
        peer : str
            IP address whose message caused it. What one peer causes is
            bounded, so that answers nobody takes do not displace those of others.

        Raises
        ------
        Overloaded, LocalProtocolError
        """
        with self._lock:
            self._require_room(peer, len(blocks))
            count, size = self._replies.get(peer, (0, 0))
            self._replies[peer] = (count + 1, size + len(blocks))
        outcome = self.send(to, blocks, lookups=limits.MAX_PENDING_REPLY_LOOKUPS)
        outcome.add_done_callback(lambda done: self._replied(peer, len(blocks)))
        if outcome.done():
            outcome.result()

    def require_room(self, peer: str, size: int) -> None:
        """Check, before the work of making it, that an answer of ``size`` bytes can be sent.

        Raises
        ------
        Overloaded
            Too many answers, or too many bytes, that this peer caused are under way.
        """
        with self._lock:
            self._require_room(peer, size)

    def _require_room(self, peer: str, size: int) -> None:
        count, under_way = self._replies.get(peer, (0, 0))
        if count >= limits.MAX_PENDING_REPLIES_PER_PEER:
            raise Overloaded(
                f"{count} replies for {peer} are under way, "
                f"limit {limits.MAX_PENDING_REPLIES_PER_PEER}"
            )
        # One answer of any size may always go.
        if count and under_way + size > limits.MAX_PENDING_REPLY_BYTES_PER_PEER:
            raise Overloaded(
                f"{under_way} bytes of replies for {peer} are under way, "
                f"limit {limits.MAX_PENDING_REPLY_BYTES_PER_PEER}"
            )

    def _replied(self, peer: str, size: int) -> None:
        with self._lock:
            count, under_way = self._replies[peer]
            if count > 1:
                self._replies[peer] = (count - 1, under_way - size)
            else:
                del self._replies[peer]

    def send(
        self,
        to: Endpoint,
        blocks: bytes,
        *,
        attempts: int = limits.SEND_ATTEMPTS,
        retry_pause_s: float = limits.RETRY_PAUSE_S,
        lookups: int = limits.MAX_PENDING_LOOKUPS,
    ) -> Future[None]:
        """Send and return a future that is done when the peer's kernel took every byte.

        The future holds `PeerRefused`, `PeerTimeout`, `PeerClosed`,
        `PeerError` or `Overloaded` when it failed.
        """
        to = self._route(to) if self._route else to
        outcome: Future[None] = Future()
        with self._lock:
            ticket = next(self._tickets)
            self._waiting[ticket] = (to, outcome)

        def go(ip: str) -> None:
            self._native.send(
                ip, to.port, blocks, ticket=ticket, attempts=attempts, retry_pause_s=retry_pause_s
            )

        def check(started: Future[None]) -> None:
            error = started.exception()
            if error is not None:
                with self._lock:
                    self._waiting.pop(ticket, None)
                outcome.set_exception(error)

        try:
            self._resolver.resolve(to.host, go, lookups).add_done_callback(check)
        except EdgeLakeError as exc:
            with self._lock:
                self._waiting.pop(ticket, None)
            outcome.set_exception(exc)
        return outcome

    def statistics(self) -> dict[str, int]:
        """Return the native counters: sent, failed, retries, pending and more."""
        return self._native.statistics()

    def _complete(self) -> None:
        while True:
            batch = self._native.completions(limits.BATCH_MESSAGES, None)
            if batch is None:
                return
            for ticket, number in batch:
                with self._lock:
                    entry = self._waiting.pop(ticket, None)
                if entry is None:
                    continue
                to, outcome = entry
                if number == 0:
                    outcome.set_result(None)
                else:
                    outcome.set_exception(_peer_error(to, number))


def _peer_error(to: Endpoint, number: int) -> PeerError:
    """Return the error for a system error number of one destination."""
    if number in _REFUSED:
        return PeerRefused(
            f"{to} refused the connection", hint="start that node or correct the address"
        )
    if number in _TIMEOUT:
        return PeerTimeout(f"{to} did not take the message in time")
    if number in _CLOSED:
        return PeerClosed(f"{to} closed the connection before it took the message")
    return PeerError(f"sending to {to} failed: {os.strerror(number)}")
